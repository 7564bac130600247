"""Segments that conditions name: one that does not exist holds for no profile, without an error. Pure."""

import re
from collections.abc import Collection, Iterator

from trackd.core.rules.file_models import RulesFile
from trackd.core.rules.rule import segment_id

NAMED = re.compile(r"""(["'])((?:(?!\1)[^\\])*)\1\s+in\s+profile\.segments\b""")


def notes_of_unknown_segments(file: RulesFile) -> Iterator[str]:
    """A sentence without a dot for each condition that names a segment which the file does not have."""
    ids = {segment_id(entry.name) for entry in file.segment}
    conditions = [(f'rule "{entry.name}"', entry.when or "") for entry in file.rule]
    conditions += [(f'segment "{entry.name}"', entry.when) for entry in file.segment]
    for place, text in conditions:
        for name in _unknown(text, ids):
            remedy = f"the id is '{segment_id(name)}'" if segment_id(name) in ids else "no profile enters it"
            yield f"{place}: when: there is no segment '{name}': {remedy}"


def _unknown(text: str, ids: Collection[str]) -> Iterator[str]:
    for match in NAMED.finditer(text):
        if match[2] not in ids:
            yield match[2]
