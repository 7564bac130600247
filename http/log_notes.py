"""Notes on refused requests for the log, without values of clients."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_FAULTS = 3  # of an answer that are logged
SOURCE_ID = re.compile(r"(?!trackd_)[A-Za-z][A-Za-z0-9_.:-]{0,63}")
MAX_DIGITS = 8  # in the id of a source that is no UUID: more may be the number of a card or a phone
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def shown_id(source_id: str) -> str:
    """The id of a source. What may be another thing, such as an e-mail address or a token, is left out."""
    is_id = SOURCE_ID.fullmatch(source_id) and sum(map(str.isdigit, source_id)) <= MAX_DIGITS
    return source_id if is_id or UUID.fullmatch(source_id) else "..."


def places(faults: Sequence[Mapping[str, Any]]) -> str:
    """`body.events.0.type: missing`. The name of an unknown field is one that the client chose."""
    shown = []
    for fault in faults[:MAX_FAULTS]:
        loc = [*fault["loc"][:-1], "*"] if fault["type"] == "extra_forbidden" else fault["loc"]
        shown.append(f"{'.'.join(map(str, loc))}: {fault['type']}")
    more = len(faults) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more else "")
