"""The faults of properties that do not match their schema. Pure.

jsonschema-rs collects all faults before it hands over the first, each with a copy of the value, and those of `anyOf`
and `oneOf` with the faults of each branch. So they are listed only if there cannot be many (fault_search.py).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from msgspec import Struct
from pydantic_core import to_json

from trackd.core.rules.condition_work import json_sizes
from trackd.core.work import FAULT

MAX_FAULTS = 10
MAX_MESSAGE = 200
MAX_PATH, MAX_KEY = 16, 64  # keys of a path, characters of a key: clients choose them, and they are stored
COPIED_BYTE, COPIED_MEMBER = 40, 1_500

Path = tuple[str | int, ...]


class Fault(Struct, frozen=True):
    """One way in which properties do not match; `path` leads to the value."""

    path: Path
    message: str
    known_path: Path | None = None
    """The path with `*` for each key that the schema does not name, None if it names all: clients choose the others."""

    def __str__(self) -> str:
        return f"{'.'.join(map(str, ('properties', *self.path)))}: {self.message}"


class Place(NamedTuple):
    """Where a value is in the properties; `known`: as in a `Fault`."""

    path: Path = ()
    known: Path = ()

    def within(self, key: str | int, *, is_known: bool = True) -> "Place":
        shown = key[:MAX_KEY] if isinstance(key, str) else key
        return Place((*self.path, shown), (*self.known, shown if is_known else "*"))


NOWHERE = Place()
"""That of the properties themselves."""


def most_units(faults: int, loops: int, value: Any, limit: int) -> int:
    """The most units that the listing of all faults can take; a larger number than `limit` may be too small.

    `faults`: how many each value may have. `loops`: how often a recursive schema visits each value of the next level.
    """
    units = 0
    left: list[tuple[Any, int]] = [(value, faults)]
    while left and units <= limit:
        value, faults = left.pop()
        units += faults * (FAULT + copying(value))
        if isinstance(value, dict | list) and units <= limit:
            left += [(inner, faults * loops) for inner in (value.values() if isinstance(value, dict) else value)]
    return units


def copying(value: Any) -> int:
    """The units of a copy of a value."""
    if isinstance(value, str):
        return COPIED_BYTE * len(value)
    if not isinstance(value, dict | list):
        return 0
    sizes = json_sizes([to_json(value)])
    return COPIED_BYTE * sizes.bytes + COPIED_MEMBER * sizes.members


def listing_units(errors: Iterable[Any]) -> int:
    """The units that the listing of these errors took, with those of branches."""
    units, left = 0, [errors]
    while left:
        for error in left.pop():
            units += FAULT + copying(error.instance)
            left += getattr(error.kind, "context", ())
    return units


def faults_of(errors: Iterable[Any], value: Any, place: Place = NOWHERE) -> Iterator[Fault]:
    """The first faults of a value, which is at that place."""
    for error in islice(errors, MAX_FAULTS):
        within = _path(islice(error.instance_path, MAX_PATH), value)
        named = set(error.schema_path)
        known = [key if isinstance(key, int) or key in named else "*" for key in within]
        path, known_path = (*place.path, *within)[:MAX_PATH], (*place.known, *known)[:MAX_PATH]
        yield Fault(path, error.message[:MAX_MESSAGE], None if known_path == path else known_path)


def _path(keys: Iterable[str | int], value: Any) -> list[str | int]:
    """The path without long keys. jsonschema-rs has a number for a key of an object that reads as one."""
    path: list[str | int] = []
    for key in keys:
        if isinstance(value, list) and isinstance(key, int):
            path.append(key)
            value = value[key]
        else:
            path.append(str(key)[:MAX_KEY])
            value = value.get(str(key)) if isinstance(value, dict) else None
    return path
