"""A profile's document while a call changes it. Pure.

It is changed in place. Changes can be rolled back, and the size is kept up to date.
"""

from typing import Any

from pydantic_core import to_json

from trackd.core.documents import JsonObject
from trackd.core.json_values import integer_size
from trackd.core.rules.condition_work import json_sizes
from trackd.core.rules.lists import Lists
from trackd.core.rules.paths import MISSING, Path
from trackd.core.work import COMPARED_BYTE, COMPARED_MEMBER, DRAFT_BYTE, DRAFT_ITEM


class NotAnObjectError(Exception):
    """A path leads through a value that is not an object."""


class Draft:
    """Takes over the document `doc`. `size`: its bytes as JSON, measured when it is 0."""

    __slots__ = ("_lists", "_undo", "changed_at", "clock", "doc", "kept", "size", "work")

    def __init__(self, doc: JsonObject, size: int = 0) -> None:
        self.doc = doc
        self.size = size or json_size(doc)
        self.clock = 0  # increases with every change
        self.work = 0  # units, for values that were measured, copied or compared
        self.changed_at: dict[str, int] = {}
        """The clock of the last change of each part that changed: it is named by the first one or two keys."""
        self.kept: dict[type, Any] = {}
        """What other modules have found out about the document, by type."""
        self._lists: Lists | None = None
        self._undo: list[tuple[JsonObject, str, Any, int]] = []

    @property
    def lists(self) -> Lists:
        if self._lists is None:
            self._lists = Lists()
        return self._lists

    def get(self, path: Path) -> Any:
        """The value at a path, null too; MISSING when the path leads to none."""
        value: Any = self.doc
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return MISSING
            value = value[key]
        return value

    def put(self, path: Path, value: Any, *, is_noted: bool = True) -> None:
        """Set the value at a path, and make missing objects on the way. Raises NotAnObjectError.

        `is_noted`: `changed_since` sees the change.
        """
        node, last = self.doc, path[-1]
        for depth, key in enumerate(path[:-1]):
            child = node.get(key, MISSING)
            if child is MISSING:
                for missing in reversed(path[depth + 1 :]):
                    value = {missing: value}
                last = key
                break
            node = _object(key, child)
        self._set(node, last, value)
        if is_noted:
            self._touch(path)

    def delete(self, path: Path) -> None:
        """Delete the value at a path, if there is one."""
        if self.get(path) is MISSING:
            return
        node = self.doc
        for key in path[:-1]:
            node = node[key]
        self._set(node, path[-1], MISSING)
        self._touch(path)

    def wrote(self, name: str, grown: int) -> None:
        """Note a change that the caller made in `doc`: the name of its part, and the bytes by which it grew.

        It is not rolled back. Counting does without the cost of `put`.
        """
        self.size += grown
        self.clock = self.changed_at[name] = self.clock + 1

    def grew_inside(self, items: list[Any], grown: int) -> None:
        """Note that the caller changed an object in a list, which grew by so many bytes.

        It is not rolled back, and no part of the document counts as changed.
        """
        self.size += grown
        if self._lists is not None:
            self._lists.forget(items)

    def charge_comparison(self, value: JsonObject) -> None:
        """Count the comparison of an object that stays the same for the whole call, such as one of its session."""
        known = self.kept.setdefault(Draft, {})
        if id(value) not in known:
            sizes = json_sizes([to_json(value, inf_nan_mode="constants")])
            units = COMPARED_BYTE * sizes.bytes + COMPARED_MEMBER * sizes.members
            known[id(value)] = value, units  # with the value, so that no other gets its id
        self.work += known[id(value)][1]

    def changed_since(self, clock: int, names: frozenset[str]) -> bool:
        """Whether one of the parts may have changed since `clock`."""
        changed_at = self.changed_at
        for name in names:  # noqa: SIM110  any() takes twice as long, for each segment and event
            if changed_at.get(name, 0) > clock:
                return True
        return False

    def settle(self) -> None:
        """Changes up to now can no longer be rolled back."""
        self._undo.clear()

    def roll_back(self) -> None:
        """Take back all changes since `settle`."""
        while self._undo:
            node, key, value, self.size = self._undo.pop()
            if value is MISSING:
                node.pop(key, None)
            else:
                node[key] = value

    def _set(self, node: JsonObject, key: str, value: Any) -> None:
        before = node.get(key, MISSING)
        self._undo.append((node, key, before, self.size))
        if before is MISSING:
            size = json_size(key) + 1 + self._size(value) + bool(node)
            self.size += size
            node[key] = _own(value)
        elif value is MISSING:
            del node[key]
            size = json_size(key) + 1 + self._size(before) + bool(node)
            self.size -= size
        else:
            size = self._size(value)
            self.size += size - self._size(before)
            node[key] = _own(value)
        self.work += DRAFT_ITEM * len(value) if isinstance(value, list) else DRAFT_BYTE * size

    def _size(self, value: Any) -> int:
        return self.lists.size(value) if isinstance(value, list) else json_size(value)

    def _touch(self, path: Path) -> None:
        self.clock = clock = self.clock + 1
        self.changed_at[path[0]] = self.changed_at[".".join(path[:2])] = clock


def _object(key: str, value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise NotAnObjectError(key)
    return value


def _own(value: Any) -> Any:
    """Copy the objects of a value, which belongs to a rule or an event: the draft changes them. Lists are replaced."""
    if isinstance(value, dict):
        return {key: _own(child) for key, child in value.items()}
    return value


def json_size(value: Any) -> int:
    """Bytes of the value as compact JSON."""
    if type(value) is int:
        return integer_size(value)
    return len(to_json(value, inf_nan_mode="constants"))
