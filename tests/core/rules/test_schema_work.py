"""The most work that a schema can take, and that of its properties."""

from typing import Any

import pytest

from trackd.core.encoding import json_text
from trackd.core.rules.schema_work import SchemaAnalysis

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
