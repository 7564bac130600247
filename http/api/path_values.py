"""Parameters that name a value within a document: keys with dots between them, and optionally a value after a colon.

`plan`, `plan:gold`, `address.city:Oslo`. A key with dots, colons or quotes is written in quotes, as a string of JSON:
`"utm.source":google`.
"""

import json
import re

MAX_KEYS = 16
QUOTED = r'"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
KEY = rf'(?:{QUOTED}|[^".:][^.:]*)'
PATH = rf"^{KEY}(?:\.{KEY}){{0,{MAX_KEYS - 1}}}"
PATTERN = rf"{PATH}(?::[\s\S]*)?$"
PATTERN_WITH_VALUE = rf"{PATH}:[\s\S]*$"

_keys = re.compile(rf"({KEY})(\.|:|\Z)")
_whole = re.compile(rf"{PATTERN[:-1]}\Z")


def path_and_value(text: str) -> tuple[tuple[str, ...], str | None]:
    """The keys, and the value after the colon, None without one. Raises ValueError."""
    if not _whole.match(text):
        raise ValueError(
            "should be a name such as plan or address.city, or name:value; "
            'a key with dots, colons or quotes is written in quotes, as in JSON: "utm.source":google'
        )
    keys = []
    for match in _keys.finditer(text):
        keys.append(_key(match[1]))
        if match[2] != ".":
            return tuple(keys), text[match.end() :] if match[2] else None
    raise AssertionError("a text that matches has an end")


def _key(text: str) -> str:
    if not text.startswith('"'):
        return text
    key: str = json.loads(text, strict=False)
    return key.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half an emoji is stored as U+FFFD
