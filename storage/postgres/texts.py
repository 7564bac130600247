"""Texts as PostgreSQL can hold them: it has no U+0000.

It is stored as U+0001 U+0001, and U+0001 as U+0001 U+0002: nothing is lost, and texts keep their order. JSON is stored
as it is; there the character is an escape.
"""

from collections.abc import Mapping
from typing import Any


def packed(value: Any) -> Any:
    """A value, or parameters, with texts that PostgreSQL can hold."""
    if type(value) is str:
        if "\0" in value or "\1" in value:
            return value.replace("\1", "\1\2").replace("\0", "\1\1")
        return value
    if isinstance(value, Mapping):
        return {name: packed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [packed(each) for each in value]
    return value


def unpacked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The reverse of `packed`, for a row."""
    return tuple([_unpacked(value) if type(value) is str and "\1" in value else value for value in row])


def _unpacked(text: str) -> str:
    return text.replace("\1\1", "\0").replace("\1\2", "\1")
