"""The faults of properties that do not match their schema. Pure.

jsonschema-rs collects all faults before it hands over the first, each with a copy of the value, and those of `anyOf`
and `oneOf` with the faults of each branch. So they are listed only if there cannot be many. Among more values the first
one is sought, or if that may take long too, none.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
from msgspec import Struct
from pydantic_core import to_json

from trackd.core.documents import JsonObject
from trackd.core.rules.condition_work import json_sizes
from trackd.core.rules.schema_work import SchemaWork
from trackd.core.work import FAULT, Work

MAX_FAULTS = 10
MAX_MESSAGE = 200
MAX_PATH, MAX_KEY = 16, 64  # keys of a path, characters of a key: clients choose them, and they are stored
MAX_LISTING, MAX_ONE_FAULT = 40_000_000, 150_000_000  # units of all faults that there may be, and of the first one
COPIED_BYTE, COPIED_MEMBER = 40, 1_500


class Fault(Struct, frozen=True):
    """One way in which properties do not match; `path` leads to the value."""

    path: tuple[str | int, ...]
    message: str
    known_path: tuple[str | int, ...] | None = None
    """The path with `*` for each key that the schema does not name, None if it names all: clients choose the others."""

    def __str__(self) -> str:
        return f"{'.'.join(map(str, ('properties', *self.path)))}: {self.message}"


NOT_LOCATED = Fault((), "they do not match the schema, and are too many to find out where")


def find_faults(validator: Any, schema: SchemaWork, properties: JsonObject, work: Work) -> tuple[Fault, ...]:
    """The faults of properties that are not valid, at most `MAX_FAULTS`."""
    if _most_units(schema, properties) <= MAX_LISTING:
        errors = [*validator.iter_errors(properties)]
        work.charge(sum(FAULT + _copying(error.instance) for error in _with_inner(errors)), "its faults")
        return tuple(_faults(errors, properties))
    if schema.branches or schema.loops > 1 or _copying(properties) > MAX_ONE_FAULT:
        return (NOT_LOCATED,)
    try:
        validator.validate(properties)
    except jsonschema_rs.ValidationError as error:
        work.charge(FAULT + _copying(error.instance), "its faults")
        return tuple(_faults([error], properties))
    return (NOT_LOCATED,)


def _most_units(schema: SchemaWork, properties: JsonObject) -> int:
    """The most units that the listing of all faults can take; a larger number than `MAX_LISTING` may be too small."""
    units = 0
    left: list[tuple[Any, int]] = [(properties, schema.checks)]
    while left and units <= MAX_LISTING:
        value, checks = left.pop()
        units += checks * schema.names * (FAULT + _copying(value))
        if isinstance(value, dict | list) and units <= MAX_LISTING:
            left += [(inner, checks * schema.loops) for inner in (value.values() if isinstance(value, dict) else value)]
    return units


def _copying(value: Any) -> int:
    """The units of a copy of a value."""
    if isinstance(value, str):
        return COPIED_BYTE * len(value)
    if not isinstance(value, dict | list):
        return 0
    sizes = json_sizes([to_json(value)])
    return COPIED_BYTE * sizes.bytes + COPIED_MEMBER * sizes.members


def _with_inner(errors: Iterable[Any]) -> Iterator[Any]:
    """The errors with those of branches."""
    left = [errors]
    while left:
        for error in left.pop():
            yield error
            left += getattr(error.kind, "context", ())


def _faults(errors: Iterable[Any], properties: JsonObject) -> Iterator[Fault]:
    for error in islice(errors, MAX_FAULTS):
        path = _path(islice(error.instance_path, MAX_PATH), properties)
        named = set(error.schema_path)
        known = [key if isinstance(key, int) or key in named else "*" for key in path]
        yield Fault(tuple(path), error.message[:MAX_MESSAGE], None if known == path else tuple(known))


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
