"""The search for the first faults of properties that do not match their schema, in bounded work. Pure.

A value that cannot have many faults is listed at once. Another one is divided: its members are validated one by one,
and the search goes on in those that are not valid.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs

from trackd.core.documents import JsonObject
from trackd.core.encoding import reencode
from trackd.core.rules.faults import (
    MAX_FAULTS,
    MAX_PATH,
    NOWHERE,
    Fault,
    Place,
    copying,
    faults_of,
    listing_units,
    most_units,
)
from trackd.core.rules.schema_parts import SchemaParts
from trackd.core.rules.schema_work import SchemaWork
from trackd.core.work import FAULT, Work

MAX_LISTING = 40_000_000  # units of all faults that a value may have
MAX_SEARCH = 100_000_000  # units of the validation of members
MAX_ONE_FAULT = 150_000_000  # units of the first fault of an undivided value
MEMBER = 600  # that is validated by itself

NOT_LOCATED = Fault((), "they do not match the schema, and are too many to find out where")


def find_faults(
    validator: Any, schema: SchemaWork, parts: SchemaParts, properties: JsonObject, work: Work
) -> tuple[Fault, ...]:
    """The faults of properties that are not valid, at most `MAX_FAULTS`."""
    if (most := most_units(schema.most.faults, schema.loops, properties, MAX_LISTING)) <= MAX_LISTING:
        work.foresee(most)
        errors = [*validator.iter_errors(properties)]
        work.charge(listing_units(errors), "its faults")
        return tuple(faults_of(errors, properties))
    if schema.loops == 1:
        most = min(MAX_SEARCH, work.limit - work.spent)
        work.foresee(most)
        search = _Search(parts, most)
        search.divide(_Member("#", parts.schema, properties, NOWHERE))
        work.spent += search.spent
        if search.faults:
            return tuple(search.faults)
    return _first_fault(validator, schema, properties, work)


def _first_fault(validator: Any, schema: SchemaWork, properties: JsonObject, work: Work) -> tuple[Fault, ...]:
    """The first fault of undivided properties, if the search for it cannot take long."""
    if schema.branches or schema.loops > 1 or copying(properties) > MAX_ONE_FAULT:
        return (NOT_LOCATED,)
    work.foresee(FAULT + copying(properties))
    error = _first_error(validator, properties)
    work.charge(FAULT + copying(error.instance), "its faults")
    return tuple(faults_of([error], properties))


def _first_error(validator: Any, value: Any) -> Any:
    """That of a value that is not valid."""
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return error
    raise AssertionError("a validator finds no fault in a value that is not valid")


class _Member(NamedTuple):
    """A value with the part of the schema that it has to match."""

    pointer: str
    part: Any
    value: Any
    place: Place


class _Search:
    """Adds `faults` until there are enough, or `limit` units are spent."""

    def __init__(self, parts: SchemaParts, limit: int) -> None:
        self.faults: list[Fault] = []
        self.spent = 0
        self._parts = parts
        self._limit = limit

    def divide(self, value: _Member, depth: int = 0) -> None:
        """Search in a value that is not valid, and in its members."""
        self.spent += self._parts.work(value.part).units(value.value, reencode(value.value))
        if isinstance(value.part, dict) and "$ref" not in value.part:
            self._search_itself(value)
        for member in _members(self._parts, value):
            self.spent += MEMBER
            if self.spent > self._limit or len(self.faults) >= MAX_FAULTS:
                return
            validator = self._parts.validator(member.pointer)
            if validator is not None and not validator.is_valid(member.value):
                self._search(validator, member, depth)

    def _search_itself(self, value: _Member) -> None:
        """List the faults that do not depend on the members, or the first of them."""
        validator, most = self._parts.own(value.part)
        if validator.is_valid(value.value):
            return
        one = FAULT + copying(value.value)
        if self.spent + most * one <= self._limit:
            self._list(validator, value)
        elif self.spent + one <= self._limit:
            self.spent += one
            self.faults += faults_of([_first_error(validator, value.value)], value.value, value.place)

    def _search(self, validator: Any, member: _Member, depth: int) -> None:
        schema = self._parts.work(member.part)
        if most_units(schema.most.faults, 1, member.value, MAX_LISTING) <= MAX_LISTING:
            self._list(validator, member)
        elif depth < MAX_PATH:
            self.divide(member, depth + 1)

    def _list(self, validator: Any, value: _Member) -> None:
        errors = [*validator.iter_errors(value.value)]
        self.spent += listing_units(errors)
        self.faults += faults_of(errors, value.value, value.place)
        del self.faults[MAX_FAULTS:]


def _members(parts: SchemaParts, whole: _Member) -> Iterator[_Member]:
    """Parts of a schema with their values: only those whose faults are faults of the whole."""
    pointer, part, value, place = whole
    if not isinstance(part, dict):
        return
    if "$ref" in part:  # in some drafts nothing else in the part applies
        if (found := parts.referred(part["$ref"])) is not None:
            yield _Member(part["$ref"], found, value, place)
        return
    for position, schema in enumerate(part["allOf"] if isinstance(part.get("allOf"), list) else ()):
        yield _Member(f"{pointer}/allOf/{position}", schema, value, place)
    if isinstance(value, dict):
        named = part.get("properties", {})
        for key, schema in named.items():
            if key in value:
                escaped = key.replace("~", "~0").replace("/", "~1")
                yield _Member(f"{pointer}/properties/{escaped}", schema, value[key], place.within(key))
        if isinstance(others := part.get("additionalProperties"), dict) and "patternProperties" not in part:
            for key, inner in value.items():
                if key not in named:
                    inner_place = place.within(key, is_known=False)
                    yield _Member(f"{pointer}/additionalProperties", others, inner, inner_place)
    elif isinstance(value, list) and isinstance(part.get("items"), dict) and "prefixItems" not in part:
        for position, item in enumerate(value):
            yield _Member(f"{pointer}/items", part["items"], item, place.within(position))
