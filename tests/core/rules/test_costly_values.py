"""The work of a schema that some values take."""

from typing import Any

import pytest

from trackd.core.encoding import json_text
from trackd.core.rules.costly_values import ALIKE_MEMBER, DECIMAL, EXTREME_DECIMAL, SHORT_DECIMAL
from trackd.core.rules.schema_work import SchemaAnalysis


def units(schema: Any, properties: dict[str, Any]) -> int:
    return SchemaAnalysis(schema, {}).work(schema).units(properties, json_text(properties))


UNIQUE = {"properties": {"l": {"uniqueItems": True}}}


@pytest.mark.parametrize(
    "item",
    [
        lambda n: [[], n],
        lambda n: {"a": {"b": [n]}},
        lambda n: [2**60 + n],
        lambda n: {"n": 10**100 + n},
        lambda n: 2**60 + n,
        lambda n: 10**100 + n,
    ],
)
def test_items_whose_hashes_can_be_made_equal_are_compared_with_one_another(item: Any) -> None:
    properties = {"l": [item(n) for n in range(400)]}
    assert units(UNIQUE, properties) > 400 * 400 * ALIKE_MEMBER


@pytest.mark.parametrize("item", [str, int, lambda n: [n], lambda n: {"n": n, "o": {"p": str(n)}}])
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
    assert units(schema, {"a": [0.07] * 100}) > 100 * SHORT_DECIMAL
    assert units(schema, {"a": [1234567890.07] * 100}) > 100 * DECIMAL
    assert units(schema, {"a": [1e300] * 100}) > 100 * EXTREME_DECIMAL
