"""Values of stored documents as texts for pages.

Other tools write files too: a value of another form than trackd writes is shown as the JSON that it is, or left out.
Texts are cut, for clients chose them.
"""

import contextlib
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from trackd.core.documents import Source
from trackd.core.encoding import json_members

MAX_TEXT = 300  # characters of a value
MAX_ROWS = 200  # of a table
NULL = Raw(b"null")

values = msgspec.json.Decoder(list[Raw]).decode
"""The values of a list, such as the documents of a page of one."""


class Moment(Struct, frozen=True):
    """A time as it is stored, and for people. Both are empty without one."""

    value: str
    text: str


def value_at(value: Raw, *keys: str) -> Raw:
    """The value at a path of objects, null when there is none."""
    for key in keys:
        value = members_of(value).get(key, NULL)
    return value


def members_of(value: Raw) -> Mapping[str, Raw]:
    """The members of an object; of any other value none."""
    try:
        return json_members(value)
    except (ValueError, RecursionError):
        return {}


def items_of(value: Raw) -> list[Raw]:
    """The items of a list; of any other value none."""
    try:
        return values(value)
    except (ValueError, RecursionError):
        return []


def as_text(value: Raw, most: int | None = MAX_TEXT) -> str:
    """A text as it is, any other value as JSON; empty for null."""
    content = bytes(value).strip()
    if content == b"null":
        return ""
    text = content.decode("utf-8", "replace")
    if content.startswith(b'"'):
        with contextlib.suppress(ValueError):
            text = msgspec.json.decode(content, type=str)
    return cut(text, most)


def cut(text: str, most: int | None = MAX_TEXT) -> str:
    return text if most is None or len(text) <= most else f"{text[:most]}…"


def name_of(source: Source) -> str:
    """The name of a source, or its id where nothing of the name is visible: it is the text of a link."""
    is_visible = any(character.isprintable() and not character.isspace() for character in source.name)
    return source.name if is_visible else source.id


def as_texts(value: Raw) -> list[str]:
    return [as_text(item) for item in items_of(value)[:MAX_ROWS]]


def as_moment(value: Raw) -> Moment:
    text = as_text(value)
    return Moment(text, f"{text[:19].replace('T', ' ')} UTC" if text else "")
