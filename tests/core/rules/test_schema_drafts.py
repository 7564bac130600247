from typing import Any

import pytest

from tests.support.validating import faults
from trackd.core.rules.schema_drafts import DRAFTS, with_known_draft
from trackd.core.rules.schemas import Schema

IGLU = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"items": [{}]},
        *(
            {"$schema": known}
            for known in [
                "http://json-schema.org/draft-04/schema#",
                "http://json-schema.org/draft-06/schema",
                "https://json-schema.org/draft-07/schema#",
                "https://json-schema.org/draft/2019-09/schema",
                "https://json-schema.org/draft/2020-12/schema",
                "http://json-schema.org/schema#",
            ]
        ),
        {"$schema": 5},
    ],
)
def test_a_schema_of_a_known_draft_and_one_without_stay_as_they_are(schema: Any) -> None:
    assert with_known_draft(schema) == (schema, None)


@pytest.mark.parametrize(
    ("words", "draft"),
    [
        ({}, "draft 2020-12"),
        ({"minimum": 3, "exclusiveMinimum": 3, "items": {}, "prefixItems": [{}]}, "draft 2020-12"),
        ({"minimum": 3, "exclusiveMinimum": True}, "draft 4"),
        ({"properties": {"a": {"maximum": 3, "exclusiveMaximum": False}}}, "draft 4"),
        ({"items": [{}]}, "draft 4"),
        ({"definitions": {"a": {"allOf": [{"not": {"items": {"items": [{}]}}}]}}}, "draft 4"),
        ({"additionalProperties": {"dependencies": {"a": {"items": []}, "b": ["c"]}}}, "draft 4"),
        ({"properties": {"a": {"$ref": "http://json-schema.org/draft-04/schema#"}}}, "draft 4"),
        ({"properties": {"a": {"$ref": "#a"}}, "definitions": {"a": {"id": "#a", "type": "string"}}}, "draft 4"),
        ({"id": "order", "const": 1}, "draft 2020-12"),
        ({"id": "order", "properties": {"id": {}, "a": {"prefixItems": [{}]}}}, "draft 2020-12"),
        ({"properties": {"id": {"type": "string"}}}, "draft 2020-12"),
        ({"items": [{"const": 1}]}, "draft 7"),
        ({"items": [{}], "if": {}, "then": {"propertyNames": {"maxLength": 3}}}, "draft 7"),
        ({"properties": {"items": {"type": "array"}, "exclusiveMinimum": {"type": "boolean"}}}, "draft 2020-12"),
        ({"enum": [{"items": []}], "default": {"exclusiveMinimum": True}, "const": {"items": [1]}}, "draft 2020-12"),
        ({"properties": [], "items": 5, "allOf": {}}, "draft 2020-12"),
    ],
)
def test_an_unknown_draft_is_read_by_the_words_of_the_schema(words: dict[str, Any], draft: str) -> None:
    schema, note = with_known_draft({"$schema": IGLU, **words})
    assert schema == {"$schema": DRAFTS[draft], **words}
    assert note == f"its $schema '{IGLU}' is not known: it is read as {draft}"


def test_a_draft_that_is_not_read_is_unknown() -> None:
    _, note = with_known_draft({"$schema": "http://json-schema.org/draft-03/schema#"})
    assert note is not None


@pytest.mark.parametrize("draft", DRAFTS.values())
def test_the_validator_reads_the_drafts(draft: str) -> None:
    assert faults(Schema({"$schema": draft, "type": "object"}), {}) == ()


def test_the_words_of_the_draft_hold() -> None:
    words = {"properties": {"n": {"minimum": 3, "exclusiveMinimum": True}, "l": {"items": [{"type": "string"}]}}}
    schema = Schema({"$schema": IGLU, **words})
    assert faults(schema, {"n": 3.5, "l": ["x"]}) == ()
    assert sorted(fault.path for fault in faults(schema, {"n": 3, "l": [1]})) == [("l", 0), ("n",)]


def test_a_name_that_cannot_be_printed_is_cut() -> None:
    _, note = with_known_draft({"$schema": "a\nb" + "x" * 1000})
    assert note is not None
    assert "\n" not in note
    assert len(note) < 300
