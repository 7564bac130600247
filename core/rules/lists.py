"""The lists of a profile's document while a call changes it: their sizes, and which of their items are the same. Pure.

A list is replaced, never changed. What is known of it is carried over to the list that takes its place, so that an
event costs what its own items cost, and not what the whole list costs.
"""

from collections.abc import Hashable
from typing import Any

from msgspec import Struct
from pydantic_core import to_json

from trackd.core.json_values import identity

MAX_KEPT = 256  # lists: each event may make some, and earlier ones are rarely needed again


class _Known(Struct):
    items: list[Any]
    """The list itself, so that no other list gets its id."""
    size: int | None = None
    """Bytes of the list as compact JSON, None before it is measured."""
    keys: list[int] | None = None
    """For each item a number that items of the same JSON have, and no others."""


class Lists:
    """What is known of lists during one call."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}  # by the id of the list
        self._numbers: dict[Hashable, int] = {}

    def size(self, items: list[Any]) -> int:
        """Bytes of the list as compact JSON."""
        known = self._of(items)
        if known.size is None:
            known.size = len(to_json(items, inf_nan_mode="constants"))
        return known.size

    def keep_size(self, items: list[Any], size: int) -> None:
        """Keep the size of a list that the caller has measured."""
        self._keep(_Known(items, size))

    def forget(self, items: list[Any]) -> None:
        """Forget what is known of a list: an item of it was changed."""
        self._known.pop(id(items), None)

    def keys(self, items: list[Any]) -> list[int]:
        """A number for each item; items that are the `same` JSON have the same number."""
        known = self._of(items)
        if known.keys is None:
            numbers = self._numbers
            known.keys = [numbers.setdefault(identity(item), len(numbers)) for item in items]
        return known.keys

    def extended(self, items: list[Any], more: list[Any], more_keys: list[int] | None = None) -> list[Any]:
        """The list with more items at its end. `more_keys` are their keys, if they are known."""
        keys, after = self._of(items).keys, [*items, *more]
        if keys is not None:
            keys = keys + (more_keys or self.keys(more))
        size = self.size(items) + sum(map(_size_with_comma, more)) - (not items and bool(more))
        self._keep(_Known(after, size, keys))
        return after

    def without(self, items: list[Any], removed: frozenset[int]) -> list[Any]:
        """The list without the items that have these keys."""
        keys, size = self.keys(items), self.size(items)
        after: list[Any] = []
        after_keys: list[int] = []
        for item, key in zip(items, keys, strict=True):
            if key in removed:
                size -= _size_with_comma(item)
            else:
                after.append(item)
                after_keys.append(key)
        self._keep(_Known(after, size + (not after and bool(items)), after_keys))
        return after

    def _of(self, items: list[Any]) -> _Known:
        return self._known.get(id(items)) or self._keep(_Known(items))

    def _keep(self, known: _Known) -> _Known:
        if len(self._known) >= MAX_KEPT:
            del self._known[next(iter(self._known))]
        self._known[id(known.items)] = known
        return known


def _size_with_comma(item: Any) -> int:
    return len(to_json(item, inf_nan_mode="constants")) + 1
