"""The search for profiles by a trait: whether the document of a profile has it, with a value."""

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from trackd.core.encoding import finite
from trackd.core.json_values import equal


class _Traits(Struct, frozen=True):
    public: Any = None
    private: Any = None


class _Document(Struct, frozen=True):
    traits: _Traits


PLAIN_KEY = re.compile(r"[A-Za-z0-9 _.:-]+")

_document = msgspec.json.Decoder(_Document, float_hook=finite).decode
_value = msgspec.json.Decoder(float_hook=finite).decode
_ABSENT = object()


def trait_text(path: tuple[str, ...] | None) -> str | None:
    """A text that every document with the trait contains; None where JSON has several ways to write the key."""
    if path is None or not PLAIN_KEY.fullmatch(path[-1]):
        return None
    return f'"{path[-1]}"'


def has_trait(doc: Any, keys: str, value: str | None) -> bool:
    """Whether the document of a profile, as its bytes, has a trait, public or private, with a value.

    `keys` is the path of the trait, as a JSON list. `value` is the trait as text, or any JSON that is equal to it; None
    for any value, null too. A document that another tool broke has no traits.
    """
    try:
        traits = _document(doc.decode(errors="replace")).traits
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, RecursionError):
        return False
    for part in (traits.public, traits.private):
        found = _look_up(part, _path(keys))
        if found is not _ABSENT and (value is None or any(equal(found, meant) for meant in _meant(value))):
            return True
    return False


def _look_up(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value


@lru_cache(maxsize=16)
def _path(keys: str) -> tuple[str, ...]:
    return tuple(_value(keys))


@lru_cache(maxsize=16)
def _meant(value: str) -> tuple[Any, ...]:
    """The values that a text stands for: itself, and its value as JSON."""
    try:
        return value, _value(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return (value,)
