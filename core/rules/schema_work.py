"""The work that a schema takes: found from the schema when it is compiled, and from the properties of each event. Pure.

jsonschema-rs validates in one piece, and cannot be stopped. So the most that it may do is computed before it begins:
how many checks apply to one value at most, times the values. The parts of a schema that apply to the same value add up
(`allOf`, `$ref`, ...), those for different values do not (`properties`, `items`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from trackd.core.documents import JsonObject
from trackd.core.json_values import is_number
from trackd.core.rules.cel_values import may_have_large_integer
from trackd.core.rules.costly_values import EXTREME, LONG_INTEGER, comparison_units, decimal_units, integer_units

SCHEMA = 1_500
CHECK = 25
TEXT_CHECKS, IDN_CHECKS = 24, 250  # a pattern or a format takes as long as so many other checks,
STRUCTURE_CHECKS = 50  # and a comparison with a list or an object as long as these
UNIQUE_MEMBER = 600
EXTREME_NUMBER = 6_000
SHORT = 200  # characters whose numbers are not examined

SAME_VALUE = ("allOf", "anyOf", "oneOf")
BRANCHES = ("anyOf", "oneOf")
ONE_OF_SAME_VALUE = ("not", "if", "then", "else")
NAMED_FOR_SAME_VALUE = ("dependentSchemas", "dependencies")
NAMED_LISTS = ("dependentRequired", "dependencies")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
TEXT = frozenset(["pattern", "format", "contentEncoding", "contentMediaType"])
NUMBERS = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"])
UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
WITHOUT_FAULTS = frozenset(  # of their own
    [
        *(
            "$schema",
            "$id",
            "id",
            "$ref",
            "$dynamicRef",
            "$recursiveRef",
            "$defs",
            "definitions",
            "$anchor",
            "$comment",
        ),
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("allOf", "if", "then", "else", "properties", "patternProperties", "dependentSchemas", "prefixItems"),
    ]
)
REPEATED = 3  # what applies to the same value is checked again for these


class Counts(NamedTuple):
    """How many checks, comparisons of numbers, divisions of decimals and searches for equal items one value may take.

    `faults`: how many it may have. `loops`: the references that lead back to a schema which contains them.
    """

    checks: int = 0
    faults: int = 0
    numbers: int = 0
    decimals: int = 0
    unique: int = 0
    loops: int = 0


class Load(NamedTuple):
    """The most for one value itself, and the most for one value within it."""

    own: Counts = Counts()
    inner: Counts = Counts()

    def plus(self, other: "Load") -> "Load":
        return Load(_sums(self.own, other.own), _sums(self.inner, other.inner))

    def times(self, number: int) -> "Load":
        return Load(Counts(*(number * one for one in self.own)), Counts(*(number * one for one in self.inner)))

    @property
    def most(self) -> Counts:
        return _most(self.own, self.inner)

    @property
    def within(self) -> "Load":
        """The same for the value that contains this one."""
        return Load(inner=self.most)


def _sums(one: Counts, other: Counts) -> Counts:
    return Counts(*(a + b for a, b in zip(one, other, strict=True)))


def _most(*several: Counts) -> Counts:
    return Counts(*map(max, zip(*several, strict=True)))


class SchemaWork(Struct, frozen=True):
    """`most`: the counts for one value. `loops`: how often a recursive schema visits each value of the next level.

    `branches`: whether faults have others within them.
    """

    most: Counts
    loops: int
    branches: bool

    @property
    def checks(self) -> int:
        return self.most.checks

    def units(self, properties: JsonObject, text: str) -> int:
        """The units of finding out whether properties are valid; `text` is their JSON."""
        most = self.most
        members = text.count(",") + text.count("[") + text.count("{")
        units = SCHEMA + most.checks * (CHECK * members + len(text))
        if most.decimals:
            units += most.decimals * decimal_units(text)
        if most.numbers and len(text) > SHORT:
            if may_have_large_integer(text.encode()):
                units += most.numbers * sum(map(integer_units, map(len, LONG_INTEGER.findall(text))))
            if EXTREME.search(text):
                units += most.numbers * members * EXTREME_NUMBER
        if most.unique:
            units += most.unique * (UNIQUE_MEMBER * members + comparison_units(properties, text, members))
        return units


class SchemaAnalysis:
    """The work of a compiled schema and of its parts."""

    def __init__(self, schema: Any, retrieved: Mapping[str, Any]) -> None:
        """`retrieved`: the other schemas that it refers to."""
        parts = [part for document in (schema, *retrieved.values()) for part in _objects(document)]
        everything = _sums(Counts(), Counts())
        for part in parts:
            everything = _sums(everything, _own_counts(part))
        self._everything = Load(everything, everything)
        self._branches = any(word in part for part in parts for word in BRANCHES)
        self._schema = schema
        self._known: dict[int, Load | None] = {}  # by id of a part; None while it is examined
        self.has_inner_resources = any("$id" in part or "id" in part for part in parts if part is not schema)
        """Whether a part may have a base of its own for its references."""

    def work(self, part: Any) -> SchemaWork:
        most = self.load(part).most
        if most.loops:  # each part of the schema is checked at most once for a value
            most = _most(most, self._everything.own)
        return SchemaWork(most, max(1, most.loops), self._branches)

    def load(self, part: Any) -> Load:
        if not isinstance(part, dict):
            return Load(Counts(checks=1, faults=1))
        if id(part) in self._known:
            return self._known[id(part)] or Load(Counts(loops=1))
        self._known[id(part)] = None
        load = self._same_value(part)
        if any(word in part for word in UNEVALUATED):
            load = load.times(REPEATED)
        load = load.plus(Load(_own_counts(part))).plus(self._members(part)).plus(self._items(part))
        self._known[id(part)] = load
        return load

    def _same_value(self, part: JsonObject) -> Load:
        load = Load()
        for word in SAME_VALUE:
            for schema in _listed(part.get(word)):
                load = load.plus(self.load(schema))
        for word in ONE_OF_SAME_VALUE:
            if word in part:
                load = load.plus(self.load(part[word]))
        for word in NAMED_FOR_SAME_VALUE:
            for schema in _named(part.get(word)):
                load = load.plus(self.load(schema))
        for word in REFERENCES:
            if word in part:
                load = load.plus(self._referred(part[word]))
        return load

    def _members(self, part: JsonObject) -> Load:
        """That of the members of an object: one of `properties`, and each whose pattern fits."""
        alternatives = [*_named(part.get("properties"))]
        alternatives += [part[word] for word in ("additionalProperties", "unevaluatedProperties") if word in part]
        load = self._largest(alternatives)
        for schema in (*_named(part.get("patternProperties")), *_listed([part.get("propertyNames", True)])):
            load = load.plus(self.load(schema).within)
        return load

    def _items(self, part: JsonObject) -> Load:
        alternatives = [*_listed(part.get("prefixItems")), *_listed(part.get("items"))]
        words = ("items", "additionalItems", "unevaluatedItems")
        alternatives += [part[word] for word in words if isinstance(part.get(word), dict)]
        load = self._largest(alternatives)
        return load.plus(self.load(part["contains"]).within) if "contains" in part else load

    def _largest(self, alternatives: list[Any]) -> Load:
        return Load(inner=_most(Counts(), *(self.load(schema).most for schema in alternatives)))

    def _referred(self, reference: Any) -> Load:
        """The load of a reference; that of everything together when it does not lead through this document."""
        part = self.referred(reference)
        return self._everything.plus(Load(Counts(loops=1), Counts(loops=1))) if part is None else self.load(part)

    def referred(self, reference: Any) -> Any:
        """The part of this document that a reference leads to, None for any other reference."""
        part = self._schema
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        for key in reference.split("/")[1:]:
            key = key.replace("~1", "/").replace("~0", "~")
            if isinstance(part, list) and key.isdigit() and int(key) < len(part):
                part = part[int(key)]
            else:
                part = part.get(key) if isinstance(part, dict) else None
        return part if isinstance(part, dict | bool) else None


def _own_counts(part: JsonObject) -> Counts:
    checks, numbers, decimals = len(part), 0, 0
    faults = len(part.keys() - WITHOUT_FAULTS) + sum(_required(part))
    for word, value in part.items():
        if word in TEXT:
            checks += IDN_CHECKS if isinstance(value, str) and value.startswith("idn-") else TEXT_CHECKS
        elif word == "patternProperties" and isinstance(value, dict):
            checks += TEXT_CHECKS * len(value)
        elif word in ("enum", "const"):
            options = value if word == "enum" and isinstance(value, list) else [value]
            checks += STRUCTURE_CHECKS * sum(isinstance(option, list | dict) for option in options)
            numbers += sum(not isinstance(option, str | bool | None) for option in options)
        elif word in NUMBERS and is_number(value):
            numbers += 1
            decimals += isinstance(value, float)
    return Counts(checks, faults, numbers, decimals, part.get("uniqueItems") is True)


def _required(part: JsonObject) -> Iterator[int]:
    """The number of names in each list of those that an object may lack: each of them is a fault."""
    for names in (part.get("required"), *(each for word in NAMED_LISTS for each in _named(part.get(word)))):
        if names and isinstance(names, list):
            yield len(names)


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
