import re
from typing import Any

import pytest

from tests.support.validating import faults
from trackd.core.rules.faults import MAX_FAULTS, MAX_MESSAGE
from trackd.core.rules.schemas import Schema

ORDER = {
    "type": "object",
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "items": {"type": "array", "items": {"type": "object", "required": ["sku"]}},
        "email": {"format": "email"},
    },
}


@pytest.mark.parametrize("properties", [{"total": 1}, {"total": 0.5, "items": [{"sku": 1}], "more": None}])
def test_valid_properties_have_no_faults(properties: dict[str, Any]) -> None:
    assert faults(Schema(ORDER), properties) == ()


def test_each_fault_has_its_path() -> None:
    found = faults(Schema(ORDER), {"total": -1, "items": [{"sku": 1}, {}], "email": "x"})
    assert sorted(map(str, found)) == [
        'properties.email: "x" is not a "email"',
        'properties.items.1: "sku" is a required property',
        "properties.total: -1 is less than the minimum of 0",
    ]


def test_faults_are_bounded_in_number_and_length() -> None:
    schema = Schema({"additionalProperties": {"type": "integer"}})
    assert len(faults(schema, {str(number): "x" for number in range(100)})) == MAX_FAULTS
    [fault] = faults(schema, {"a": "x" * 1000})
    assert len(fault.message) == MAX_MESSAGE


def test_the_keys_of_a_client_are_cut_in_faults() -> None:
    schema = Schema({"additionalProperties": {"additionalProperties": {"type": "boolean"}}})
    found = faults(schema, {"k" * 100_000: {str(number): "x" for number in range(20)}})
    assert sum(len(str(fault)) for fault in found) < 4_000


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nmber"}, '"nmber" is not valid'),
        ({"pattern": "(a"}, "regex"),
        ({"minimum": "3"}, '"3" is not of type "number"'),
        (
            {"$ref": "http://schemas.example/order.json"},
            "it refers to http://schemas.example/order.json, and there are no",
        ),
        ({"$ref": "file:///etc/passwd"}, "it refers to file:///etc/passwd, and there are no other schemas here"),
        ({"$ref": "other.json"}, "it refers to other.json, which is not a part of its draft"),
        ({"$ref": "http://json-schema.org/draft-07/schema#"}, "/draft-07/schema, which is not a part of its draft"),
        ({"$schema": 5}, '5 is not of type "string"'),
    ],
)
def test_a_wrong_schema_is_refused_with_the_reason(schema: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is asserted below
        Schema(schema)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_schema_may_refer_to_itself() -> None:
    schema = Schema({"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}})
    assert faults(schema, {"a": 1}) == ()
    assert faults(schema, {"a": "x"})


def test_a_pattern_that_would_go_back_and_forth_takes_linear_time() -> None:
    assert faults(Schema({"properties": {"a": {"pattern": "^(a+)+$"}}}), {"a": "a" * 10_000 + "b"})


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date-time", "2026-01-31T12:00:00Z", "yesterday"),
        ("date", "2026-01-31", "2026-13-01"),
        ("email", "a@example.com", "a"),
        ("uuid", "3ee63fc6-490a-4fd8-bfb3-bf0c8c8d3387", "3ee63fc6"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
        ("uri", "https://example.com/", "example"),
    ],
)
def test_formats_are_checked(name: str, right: str, wrong: str) -> None:
    schema = Schema({"properties": {"a": {"format": name}}})
    assert faults(schema, {"a": right}) == ()
    assert [fault.path for fault in faults(schema, {"a": wrong})] == [("a",)]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("#/$defs/none", "'/$defs/none' does not exist"),
        ("#none", "'none' does not exist"),
        ("number.json#/$defs/none", "'/$defs/none' does not exist"),
        ("none.json", "there is no none.json"),
        ("deep.json", "there is no none.json"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(reference: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as raised:
        Schema({"$ref": reference}, "file:///rules/order.json", retrieve)
    assert "Resource" not in str(raised.value)


def retrieve(uri: str) -> Any:
    schemas: dict[str, Any] = {
        "number.json": {"$defs": {"whole": {"type": "integer"}}, "type": "number"},
        "deep.json": {"items": {"$ref": "none.json"}},
        "pair.json": {"$schema": "http://schemas.example/meta", "items": [{"$ref": "number.json#/$defs/whole"}]},
        "tree.json": {"properties": {"left": {"$ref": "tree.json"}, "value": {"$ref": "number.json"}}},
        "fourth.json": {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True},
    }
    name = uri.removeprefix("file:///rules/")
    if name not in schemas:
        raise ValueError(f"there is no {name}")
    return schemas[name]


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [
        ("number.json", 1.5, "x"),
        ("./number.json#/$defs/whole", 1, 1.5),
        ("file:///rules/number.json", 1.5, "x"),
        ("pair.json", [1], [1.5]),
        ("tree.json", {"left": {"left": {"value": 1}}}, {"left": {"left": {"value": "x"}}}),
        ("fourth.json", 3.5, 3),
    ],
)
def test_a_schema_may_refer_to_others(reference: str, right: Any, wrong: Any) -> None:
    schema = Schema({"properties": {"a": {"$ref": reference}}}, "file:///rules/order.json", retrieve)
    assert faults(schema, {"a": right}) == ()
    assert [fault.path[0] for fault in faults(schema, {"a": wrong})] == ["a"]
    assert schema.retrieved.keys() <= {f"file:///rules/{name}.json" for name in ("number", "pair", "tree", "fourth")}


def test_a_schema_has_notes_of_an_unknown_draft_in_itself_and_in_others() -> None:
    schema = Schema({"$schema": "urn:own", "items": {"$ref": "pair.json"}}, "file:///rules/order.json", retrieve)
    assert schema.notes == [
        "its $schema 'urn:own' is not known: it is read as draft 2020-12",
        "in file:///rules/pair.json, its $schema 'http://schemas.example/meta' is not known: it is read as draft 4",
    ]


def test_data_that_looks_like_a_reference_is_none() -> None:
    schema = Schema({"const": {"$ref": "none.json"}, "properties": {"$ref": {"type": "string"}}}, "file:///r", retrieve)
    assert faults(schema, {"$ref": "none.json"}) == ()


def test_a_schema_that_refers_to_itself_in_a_circle_ends() -> None:
    assert faults(Schema({"$ref": "#"}), {"a": 1}) == ()


@pytest.mark.parametrize("key", ["12", "007", "+4712345678", "4111111111111111"])
def test_a_key_that_reads_as_a_number_is_a_key_in_the_path(key: str) -> None:
    schema = Schema({"additionalProperties": {"items": {"type": "boolean"}}})
    [fault] = faults(schema, {key: [True, 1]})
    assert fault.path in ((key, 1), (key.lstrip("+0"), "1"))
    assert fault.known_path in (("*", 1), ("*", "*"))


@pytest.mark.parametrize(
    ("schema", "properties", "known_path"),
    [
        ({"properties": {"email": {"type": "number"}}}, {"email": "x"}, None),
        ({"properties": {"a": {"items": {"properties": {"b": False}}}}}, {"a": [{}, {"b": 1}]}, None),
        ({"$defs": {"d": {"properties": {"b": False}}}, "$ref": "#/$defs/d"}, {"b": 1}, None),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}]}, {"a": "x"}, None),
        ({"additionalProperties": {"type": "number"}}, {"ann@example.com": "x"}, ("*",)),
        ({"patternProperties": {"@": {"properties": {"b": False}}}}, {"ann@example.com": {"b": 1}}, ("*", "b")),
        ({"propertyNames": {"maxLength": 3}}, {"ann@example.com": "x"}, None),
        ({"unevaluatedProperties": False}, {"ann@example.com": "x"}, None),
    ],
)
def test_keys_that_the_schema_does_not_name_are_unknown(
    schema: Any, properties: dict[str, Any], known_path: tuple[str | int, ...] | None
) -> None:
    [fault] = faults(Schema(schema), properties)
    assert fault.known_path == known_path
    assert "ann@example.com" not in (fault.known_path or fault.path)
