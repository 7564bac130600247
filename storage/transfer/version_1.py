"""Lines of exports of version 1, read as lines of version 2.

In version 1 an event had `reasons` beside its `metadata`, null when it was valid, and a session had no
`metadata.time.duration`.
"""

import msgspec
from msgspec import Raw, ValidationError

from trackd.core.document_shapes import NO_TEXTS

VERSION = 1
NULL = Raw(b"null")
Parts = dict[str, Raw]

_parts = msgspec.json.Decoder(Parts).decode
_encode = msgspec.json.Encoder().encode


def upgraded(line: bytes) -> bytes:
    """The same record as a line of version 2. Raises ValueError for a line that is not of version 1."""
    record = _parts(line)
    upgrade = UPGRADES.get(bytes(record.get("table", NULL)))
    if upgrade is None:
        return line
    try:
        document = _parts(record["document"])
        metadata = _parts(document["metadata"])
        upgrade(document, metadata)
    except KeyError as missing:
        raise ValidationError(f"Object missing required field `{missing.args[0]}`") from None
    return _encode(record | {"document": document | {"metadata": metadata}})


def _session(document: Parts, metadata: Parts) -> None:
    time = _parts(metadata["time"]) | {"duration": NULL}
    metadata["time"] = Raw(_encode(time))


def _event(document: Parts, metadata: Parts) -> None:
    reasons = document.pop("reasons")
    metadata["reasons"] = NO_TEXTS if reasons == NULL else reasons


UPGRADES = {b'"session"': _session, b'"event"': _event}
