"""The faults that are reported, and the most work that the search for them takes."""

from typing import Any

import pytest

from tests.support.validating import faults
from trackd.config.settings import Limits
from trackd.core.rules.fault_search import NOT_LOCATED
from trackd.core.rules.faults import MAX_FAULTS
from trackd.core.rules.schemas import Schema
from trackd.core.work import Work

SKUS = Schema({"properties": {"skus": {"type": "array", "items": {"type": "string"}}}})
NEWEST = "https://json-schema.org/draft/2020-12/schema"
BRANCHES = Schema({"properties": {"l": {"items": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}}}})
PAIR = {"properties": {"a": {"$ref": "#"}}}
TWICE = Schema({"oneOf": [PAIR, {**PAIR, "required": ["b"]}], "type": "object"})


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {"a": 1}


def test_faults_of_a_few_values_are_listed() -> None:
    found = faults(SKUS, {"skus": ["a", 1, 2]})
    assert [str(fault) for fault in found] == [
        'properties.skus.1: 1 is not of type "string"',
        'properties.skus.2: 2 is not of type "string"',
    ]
    assert len(faults(SKUS, {"skus": [1] * 100})) == MAX_FAULTS


def test_of_many_faults_the_first_are_found() -> None:
    found = faults(SKUS, {"skus": [1] * 50_000})
    assert [fault.path for fault in found] == [("skus", position) for position in range(MAX_FAULTS)]


def test_a_fault_after_many_valid_values_is_found() -> None:
    [fault] = faults(SKUS, {"skus": ["a"] * 50_000 + [1]})
    assert fault.path == ("skus", 50_000)


def test_faults_with_others_within_them_are_not_sought_in_a_large_value() -> None:
    for number in (3, 100_000):
        assert "oneOf" in faults(BRANCHES, {"l": [{}] * number})[0].message
    one_of = Schema({"oneOf": [{"properties": {"l": {"items": {"type": "string"}}}}, {"required": ["a"]}]})
    assert faults(one_of, {"l": [1] * 100_000}) == (NOT_LOCATED,)
    assert str(NOT_LOCATED) == "properties: they do not match the schema, and are too many to find out where"


def test_a_schema_that_visits_each_level_twice_takes_no_exponential_work() -> None:
    assert len(faults(TWICE, nested(3))) == 1
    assert faults(TWICE, nested(60)) == (NOT_LOCATED,)


def test_faults_that_copy_large_values_are_not_listed() -> None:
    schema = Schema({"required": [f"p{number}" for number in range(1000)]})
    assert len(faults(schema, {"text": "x"})) == MAX_FAULTS
    assert len(faults(schema, {"text": "x" * 500_000})) == 1


@pytest.mark.parametrize("word", ["required", "dependentRequired", "dependencies"])
def test_each_name_that_a_value_lacks_is_a_fault(word: str) -> None:
    names = [f"n{number}" for number in range(60)]
    items = {word: names if word == "required" else {"a": names}}
    draft = "http://json-schema.org/draft-07/schema#" if word == "dependencies" else NEWEST
    schema = Schema({"$schema": draft, "properties": {"l": {"items": items}}})
    assert len(faults(schema, {"l": [{"a": 1}]})) == MAX_FAULTS
    assert len(faults(schema, {"l": [{"a": 1}] * 400})) == MAX_FAULTS


@pytest.mark.parametrize("properties", [{"skus": [10]}, {"skus": [10] * 50_000}])
def test_the_search_for_faults_is_charged(properties: dict[str, Any]) -> None:
    work, valid = Work(Limits().max_call_work), Work(Limits().max_call_work)
    faults(SKUS, properties, work)
    faults(SKUS, {"skus": ["" for _ in properties["skus"]]}, valid)
    assert work.spent > valid.spent
