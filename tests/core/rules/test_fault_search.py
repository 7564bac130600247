"""The first faults of properties with many values, and the most work that the search for them takes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.validating import faults
from trackd.config.settings import Limits
from trackd.core.rules import fault_search
from trackd.core.rules.fault_search import MAX_LISTING, MAX_SEARCH, NOT_LOCATED
from trackd.core.rules.faults import MAX_FAULTS
from trackd.core.rules.schemas import Schema
from trackd.core.work import Work

ITEM = {
    "type": "object",
    "required": ["sku", "price"],
    "properties": {
        "sku": {"type": "string", "pattern": "^[a-z]+-[0-9]+$"},
        "price": {"type": "number", "minimum": 0},
        "size": {"anyOf": [{"type": "integer"}, {"enum": ["S", "M", "L"]}]},
    },
}
ORDER = Schema(
    {
        "type": "object",
        "required": ["id", "items"],
        "properties": {"id": {"type": "string"}, "items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
        "$defs": {"item": ITEM},
    }
)


def order(number: int = 3_000, **changed: Any) -> dict[str, Any]:
    """An order of so many items; `changed` are members of each hundredth of them."""
    usual = {"sku": "shirt-1", "price": 19.9, "size": "M"}
    items = [{**usual, **(changed if position % 100 == 7 else {})} for position in range(number)]
    return {"id": "o-1", "items": items}


def found(schema: Schema, properties: dict[str, Any], work: Work | None = None) -> list[str]:
    return [str(fault) for fault in faults(schema, properties, work)]


def test_the_first_faults_among_many_values_are_found_where_they_are() -> None:
    texts = found(ORDER, order(size=3.5))
    assert len(texts) == MAX_FAULTS
    assert texts[0] == (
        "properties.items.7.size: 3.5 is not valid under any of the schemas listed in the 'anyOf' keyword"
    )
    assert texts[-1].startswith("properties.items.907.size: ")
    assert found(ORDER, order(price=-1))[1] == "properties.items.107.price: -1 is less than the minimum of 0"


def test_what_a_large_value_itself_lacks_is_found_before_the_faults_of_its_members() -> None:
    properties = order(sku="?")
    del properties["id"]
    texts = found(ORDER, properties)
    assert texts[0] == 'properties: "id" is a required property'
    assert texts[1].startswith("properties.items.7.sku: ")
    assert found(ORDER, {**properties, "items": {}}) != [str(NOT_LOCATED)]


def test_the_search_is_charged_and_bounded() -> None:
    valid, faulty = Work(Limits().max_call_work), Work(Limits().max_call_work)
    faults(ORDER, order(), valid)
    faults(ORDER, order(sku="?"), faulty)
    assert valid.spent < faulty.spent < valid.spent + MAX_SEARCH + MAX_LISTING


def test_a_search_that_would_exceed_the_work_of_the_call_ends() -> None:
    units = Work(Limits().max_call_work)
    faults(ORDER, order(), units)
    work = Work(units.spent + 1_000)
    assert faults(ORDER, order(sku="?"), work) == (NOT_LOCATED,)


@pytest.mark.parametrize(
    ("schema", "path", "known"),
    [
        ({"additionalProperties": {"items": {"type": "integer"}}}, ("a/b", 2_999), ("*", 2_999)),
        ({"properties": {"a/b": {"allOf": [{"items": {"maximum": 2_998}}]}}}, ("a/b", 2_999), None),
        (
            {"properties": {"a/b": {"$ref": "#/$defs/x~0"}}, "$defs": {"x~": {"items": {"maximum": 2}}}},
            ("a/b", 3),
            None,
        ),
        (
            {"patternProperties": {"^a": {"items": {"maximum": 2_998}}}, "additionalProperties": False},
            ("a/b", 2_999),
            (),
        ),
    ],
)
def test_every_way_to_a_value_is_followed(schema: dict[str, Any], path: tuple[Any, ...], known: Any) -> None:
    numbers: list[Any] = [*range(3_000)]
    if known == ("*", 2_999):
        numbers[-1] = "text"
    first = faults(Schema(schema), {"a/b": numbers})[0]
    assert first.path == path
    if known != ():
        assert first.known_path == known


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"l": {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}}},
        {"properties": {"l": {"$id": "urn:l", "$defs": {"n": {"minimum": 9}}, "items": {"$ref": "#/$defs/n"}}}},
    ],
)
def test_what_cannot_be_divided_has_its_first_fault(schema: dict[str, Any]) -> None:
    assert len(faults(Schema(schema), {"l": [1] * 50_000})) == 1


leaves = st.sampled_from(
    [{"type": "integer"}, {"minimum": 2}, {"enum": [1, "a"]}, {"maxLength": 1}, {"$ref": "#/$defs/d"}, True, False]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({}, optional={"items": inner, "maxItems": st.just(1), "type": st.just("array")}),
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
                "additionalProperties": inner,
                "required": st.just(["a"]),
                "minProperties": st.just(2),
            },
        ),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=6,
)
values = st.recursive(
    st.sampled_from([1, 2, "a", "bc", None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=6,
)


@given(schemas, schemas, st.dictionaries(st.sampled_from("abc"), values, max_size=3))
def test_a_divided_search_finds_none_but_real_faults(schema: Any, definition: Any, properties: dict[str, Any]) -> None:
    whole = {"type": "object", "allOf": [schema], "$defs": {"d": {"items": definition}}}
    listed = found(Schema(whole), properties)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fault_search, "MAX_LISTING", 30_000)
        divided = found(Schema(whole), properties)
    assert bool(divided) == bool(listed)
    if divided != [str(NOT_LOCATED)] and len(listed) < MAX_FAULTS:
        assert set(divided) <= set(listed)
