"""The work that a schema takes: found from the schema when it is compiled, and from the properties of each event. Pure.

jsonschema-rs validates in one piece, and cannot be stopped. So the most that it may do is computed before it begins:
how many checks apply to one value at most, times the values. The parts of a schema that apply to the same value add up
(`allOf`, `$ref`, ...), those for different values do not (`properties`, `items`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from trackd.core.documents import JsonObject

SCHEMA = 1_500
CHECK = 25
TEXT_CHECKS = 8  # a pattern or a format takes as long as so many other checks,
STRUCTURE_CHECKS = 50  # a comparison with a list or an object as long as these,
DECIMAL_CHECKS = 400  # and `multipleOf` with a decimal as these
MAX_PAIRWISE = 15  # items of a list that are compared in pairs
PAIR = 40
EXACT_INTEGERS = 2**53

SAME_VALUE = ("allOf", "anyOf", "oneOf")
BRANCHES = ("anyOf", "oneOf")
ONE_OF_SAME_VALUE = ("not", "if", "then", "else")
NAMED_FOR_SAME_VALUE = ("dependentSchemas", "dependencies")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
TEXT = frozenset(["pattern", "format", "contentEncoding", "contentMediaType"])
UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
REPEATED = 3  # what applies to the same value is checked again for these


class Load(NamedTuple):
    """The most checks, and the most references that lead back, for one value itself and for one within it."""

    checks: int = 0
    inner_checks: int = 0
    loops: int = 0
    inner_loops: int = 0

    def __add__(self, other: Any) -> "Load":
        return Load(*(one + another for one, another in zip(self, other, strict=True)))

    def times(self, number: int) -> "Load":
        return Load(*(number * one for one in self))

    def within(self) -> "Load":
        """The same for the value that contains this one."""
        return Load(0, max(self.checks, self.inner_checks), 0, max(self.loops, self.inner_loops))


class SchemaWork(Struct, frozen=True):
    """`checks`: the most for one value. `loops`: how often a recursive schema visits each value of the next level.

    `branches`: whether its faults have others within them. `unique`: whether it compares the items of a list.
    """

    checks: int
    loops: int
    branches: bool
    unique: bool

    def units(self, properties: JsonObject, text: str) -> int:
        """The units of finding out whether properties are valid; `text` is their JSON."""
        members = text.count(",") + text.count("[") + text.count("{")
        units = SCHEMA + self.checks * (CHECK * members + len(text))
        if self.unique and members > MAX_PAIRWISE:
            units += PAIR * _pairs(properties) * self.checks
        return units


def schema_work(schema: Any, retrieved: Mapping[str, Any]) -> SchemaWork:
    """The work of a compiled schema. `retrieved`: the others that it refers to."""
    analysis = _Analysis(schema, retrieved)
    load = analysis.load(schema)
    checks, loops = max(load.checks, load.inner_checks), max(load.loops, load.inner_loops)
    if loops:
        checks = max(checks, analysis.keywords)
    return SchemaWork(max(1, checks), max(1, loops), analysis.branches, analysis.unique)


class _Analysis:
    def __init__(self, schema: Any, retrieved: Mapping[str, Any]) -> None:
        parts = [part for document in (schema, *retrieved.values()) for part in _objects(document)]
        self.keywords = sum(map(len, parts))
        self.branches = any(word in part for part in parts for word in BRANCHES)
        self.unique = any(part.get("uniqueItems") is True for part in parts)
        self._schema = schema
        self._known: dict[int, Load | None] = {}  # by id of a part; None while it is examined

    def load(self, part: Any) -> Load:
        if not isinstance(part, dict):
            return Load(checks=1)
        if id(part) in self._known:
            return self._known[id(part)] or Load(loops=1)
        self._known[id(part)] = None
        load = self._same_value(part)
        if any(word in part for word in UNEVALUATED):
            load = load.times(REPEATED)
        load += Load(checks=_own_checks(part)) + self._members(part) + self._items(part)
        self._known[id(part)] = load
        return load

    def _same_value(self, part: JsonObject) -> Load:
        load = Load()
        for word in SAME_VALUE:
            for schema in _listed(part.get(word)):
                load += self.load(schema)
        for word in ONE_OF_SAME_VALUE:
            if word in part:
                load += self.load(part[word])
        for word in NAMED_FOR_SAME_VALUE:
            for schema in _named(part.get(word)):
                load += self.load(schema)
        for word in REFERENCES:
            if word in part:
                load += self._referred(part[word])
        return load

    def _members(self, part: JsonObject) -> Load:
        """That of the members of an object: one of `properties`, and each whose pattern fits."""
        alternatives = [*_named(part.get("properties"))]
        alternatives += [part[word] for word in ("additionalProperties", "unevaluatedProperties") if word in part]
        load = self._largest(alternatives)
        for schema in (*_named(part.get("patternProperties")), *_listed([part.get("propertyNames", True)])):
            load += self.load(schema).within()
        return load

    def _items(self, part: JsonObject) -> Load:
        alternatives = [*_listed(part.get("prefixItems")), *_listed(part.get("items"))]
        words = ("items", "additionalItems", "unevaluatedItems")
        alternatives += [part[word] for word in words if isinstance(part.get(word), dict)]
        load = self._largest(alternatives)
        return load + self.load(part["contains"]).within() if "contains" in part else load

    def _largest(self, alternatives: list[Any]) -> Load:
        loads = [self.load(schema).within() for schema in alternatives]
        return Load(*(max(column) for column in zip(*loads, strict=True))) if loads else Load()

    def _referred(self, reference: Any) -> Load:
        """The load of a reference; that of everything together when it does not lead through this document."""
        part = self._schema
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            for key in reference.split("/")[1:]:
                key = key.replace("~1", "/").replace("~0", "~")
                if isinstance(part, list) and key.isdigit() and int(key) < len(part):
                    part = part[int(key)]
                else:
                    part = part.get(key) if isinstance(part, dict) else None
            if isinstance(part, dict | bool):
                return self.load(part)
        return Load(self.keywords, self.keywords, 1, 1)


def _own_checks(part: JsonObject) -> int:
    checks = len(part)
    for word, value in part.items():
        if word in TEXT:
            checks += TEXT_CHECKS
        elif word == "patternProperties" and isinstance(value, dict):
            checks += TEXT_CHECKS * len(value)
        elif word in ("enum", "const"):
            options = value if word == "enum" and isinstance(value, list) else [value]
            checks += STRUCTURE_CHECKS * sum(isinstance(option, list | dict) for option in options)
        elif word == "multipleOf" and isinstance(value, float):
            checks += DECIMAL_CHECKS
    return checks


def _objects(schema: Any) -> Iterator[JsonObject]:
    """The objects in a document."""
    left = [schema]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list):
            left += value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(value: Any) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else []


def _pairs(properties: Any) -> int:
    """How many items may be compared with one another, because the hashes of their kind can be made equal."""
    pairs, left = 0, [properties]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            alike = 0
            for item in value:
                if isinstance(item, list | dict):
                    alike += 1
                    left.append(item)
                elif type(item) is int and abs(item) > EXACT_INTEGERS:
                    alike += 1
            pairs += alike * alike // 2
    return pairs
