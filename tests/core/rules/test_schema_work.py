"""The most work that a schema can take, and that of its properties."""

from typing import Any

import pytest

from trackd.core.encoding import json_text
from trackd.core.rules.schema_work import ALIKE_CHARACTER, DECIMAL, EXTREME_DECIMAL, SchemaAnalysis

STRING = {"type": "string"}
TREE = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
TWICE = {"oneOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}, "b": STRING}}]}


def checks(schema: Any, **retrieved: Any) -> int:
    return SchemaAnalysis(schema, retrieved).work(schema).checks


def units(schema: Any, properties: dict[str, Any]) -> int:
    return SchemaAnalysis(schema, {}).work(schema).units(properties, json_text(properties))


def test_schemas_of_other_properties_are_alternatives() -> None:
    one = {"properties": {"a": STRING}}
    many = {"properties": {f"p{number}": STRING for number in range(100)}}
    assert checks(one) == checks(many)


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_schemas_of_the_same_value_add_up(word: str) -> None:
    assert checks({word: [STRING] * 50}) > 50
    assert checks({"properties": {"a": {word: [STRING] * 50}}}) > 50
    assert checks({word: [{"properties": {"a": STRING}}] * 50}) > 50


@pytest.mark.parametrize(
    "schema",
    [
        {"patternProperties": {f"p{number}": STRING for number in range(50)}},
        {"dependentSchemas": {f"p{number}": STRING for number in range(50)}},
        {"$defs": {"d": {"allOf": [STRING] * 50}}, "items": {"$ref": "#/$defs/d"}},
        {"$defs": {"d/~": {"allOf": [STRING] * 50}}, "contains": {"$ref": "#/$defs/d~1~0"}},
        {"$defs": {"d": {"$anchor": "a", "allOf": [STRING] * 50}}, "items": {"$ref": "#a"}},
        {"if": {"allOf": [STRING] * 50}, "then": True},
        {"propertyNames": {"allOf": [STRING] * 50}},
    ],
)
def test_every_word_that_applies_a_schema_counts(schema: dict[str, Any]) -> None:
    assert checks(schema) > 50


def test_a_schema_of_another_file_counts() -> None:
    assert checks({"$ref": "other.json"}, **{"other.json": {"allOf": [STRING] * 50}}) > 50


def test_what_is_not_evaluated_is_found_by_checking_again() -> None:
    parts = {"allOf": [{"properties": {"a": STRING}}] * 10}
    assert checks({**parts, "unevaluatedProperties": False}) > 2 * checks(parts)


def test_a_recursive_schema_is_no_endless_work() -> None:
    assert SchemaAnalysis(TREE, {}).work(TREE).loops == 1
    assert SchemaAnalysis(TWICE, {}).work(TWICE).loops == 2
    assert checks(TREE) < 20


@pytest.mark.parametrize(
    ("schema", "branches", "unique"),
    [
        (TREE, False, 0),
        (TWICE, True, 0),
        ({"items": {"uniqueItems": True}}, False, 1),
        ({"items": {"uniqueItems": False}}, False, 0),
    ],
)
def test_schemas_with_branches_or_unique_items_are_known(schema: dict[str, Any], branches: bool, unique: int) -> None:
    work = SchemaAnalysis(schema, {}).work(schema)
    assert (work.branches, work.most.unique) == (branches, unique)


def test_the_work_grows_with_the_members_and_the_text() -> None:
    assert units({}, {"l": [1] * 1000}) > 1000 * 25
    assert units({}, {"a": "x" * 100_000}) > 100_000


UNIQUE = {"properties": {"l": {"uniqueItems": True}}}


@pytest.mark.parametrize("item", [lambda n: [n], lambda n: {"n": n}, lambda n: 2**60 + n, lambda n: 10**100 + n])
def test_items_whose_hashes_can_be_made_equal_are_compared_with_one_another(item: Any) -> None:
    properties = {"l": [item(n) for n in range(400)]}
    assert units(UNIQUE, properties) > 400 * 300 * ALIKE_CHARACTER


@pytest.mark.parametrize("item", [str, int])
def test_other_items_are_not(item: Any) -> None:
    few, many = ({"l": [item(n) for n in range(number)]} for number in (500, 1000))
    assert units(UNIQUE, many) < 2.2 * units(UNIQUE, few)


@pytest.mark.parametrize(
    "word", [{"minimum": 0}, {"exclusiveMaximum": 0.5}, {"multipleOf": 3}, {"const": 1}, {"enum": [1, 2]}]
)
def test_long_integers_take_the_square_of_their_digits(word: dict[str, Any]) -> None:
    short, long = ({"a": [10**digits] * 100} for digits in (1_000, 2_000))
    schema = {"properties": {"a": {"items": word}}}
    assert units(schema, long) > 3 * units(schema, short) > 100 * units({}, short)


def test_extreme_decimals_take_longer_to_divide() -> None:
    schema = {"properties": {"a": {"items": {"multipleOf": 0.01}}}}
    assert units(schema, {"a": [0.07] * 100}) > 100 * DECIMAL
    assert units(schema, {"a": [1e300] * 100}) > 100 * EXTREME_DECIMAL
