"""JSON text as clients send it: a byte order mark is skipped, lone surrogates are replaced, text must be UTF-8."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from trackd.http.body import GZIP_MAGIC
from trackd.http.errors import HttpError, invalid

Place = tuple[str | int, ...]

# The first backslash of an odd number, which begins an escape: of a pair of surrogates, or of one alone. With a literal
# at its beginning the pattern is searched much faster.
ESCAPED = re.compile(
    rb"\\(?<!\\\\)(?:\\\\)*+u"
    rb"(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|([dD][89a-fA-F][0-9a-fA-F]{2}))"
)
SURROGATE = re.compile("[\ud800-\udfff]")
ENCODED_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")
REPLACEMENT = b"fffd"
MAX_VALUES = 10_000  # that are searched: a body may have half a million
END = None, None
MAX_PLACE, MAX_KEY = 16, 64  # keys of a place that is shown, characters of a key: clients choose them


def readable_json(body: bytes) -> bytes:
    """The JSON text of a body: without a byte order mark and lone surrogates. Raises HttpError if it is not UTF-8."""
    text = body.removeprefix(codecs.BOM_UTF8)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise _not_json(f"Invalid JSON: the text is not UTF-8: {_reason(text, error.start)}") from None
    if b"\0" in text[:4]:
        raise _not_json("Invalid JSON: the text looks like UTF-16 or UTF-32: send UTF-8")
    return replace_lone_surrogates(text)


def _not_json(message: str) -> HttpError:
    return invalid([{"loc": ["body"], "msg": message, "type": "json_invalid"}])


def _reason(text: bytes, position: int) -> str:
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it begins with the mark of UTF-16"
    if text.startswith(GZIP_MAGIC):
        return "it looks like gzip, which needs the header Content-Encoding: gzip"
    reason = f"the byte 0x{text[position]:02x} at position {position}"
    if ENCODED_SURROGATE.match(text, position):
        reason += " begins a surrogate that is encoded alone, as CESU-8 does"
    return reason


def replace_lone_surrogates(text: bytes) -> bytes:
    """JSON text with U+FFFD in place of each escaped surrogate that is no part of a pair, such as half an emoji.

    JSON's grammar allows them, but UTF-8 cannot represent them. Browsers send them for a text that was cut in an emoji.
    """
    if rb"\ud" not in text and rb"\uD" not in text:
        return text
    return ESCAPED.sub(lambda found: found[0].removesuffix(found[1]) + REPLACEMENT if found[1] else found[0], text)


def find_lone_surrogates(text: bytes) -> tuple[list[Place], bool]:
    """The places of values and keys with lone surrogates in a JSON object, and whether all its values were searched.

    At most `MAX_VALUES` are searched. Raises ValueError for text that is not JSON.
    """
    found: list[Place] = []
    place: list[str | int] = []
    containers = [_items(json.loads(text))]
    for _ in range(MAX_VALUES):
        key, value = next(containers[-1], END)
        if key is None:
            containers.pop()
            if not containers:
                return found, True
            place.pop()
            continue
        if _is_cut(key) or _is_cut(value):
            found.append((*place, key))
        if isinstance(value, dict | list):
            place.append(key)
            containers.append(_items(value))
    return found, False


def _items(container: Any) -> Iterator[tuple[Any, Any]]:
    return iter(container.items() if isinstance(container, dict) else enumerate(container))


def _is_cut(value: Any) -> bool:
    return isinstance(value, str) and SURROGATE.search(value) is not None


def place_text(place: Place) -> str:
    """`properties.items.0.name`, without lone surrogates; long keys and places are cut."""
    parts = [SURROGATE.sub("\ufffd", str(part)[:MAX_KEY]) for part in place[:MAX_PLACE]]
    return ".".join(parts)
