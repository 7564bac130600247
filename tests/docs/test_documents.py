"""The examples of documents in docs/http-api.md."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from tests.support.document_fields import FIELDS, SCHEMAS, fields
from tests.support.serving import application_routes
from trackd.http.openapi.description import describe

MANUAL = Path(__file__).parents[2] / "docs" / "http-api.md"
EXAMPLES = re.findall(r"```json\n(.*?)```", MANUAL.read_text().partition("\n## Documents\n")[2], re.DOTALL)


def test_each_document_has_an_example() -> None:
    assert len(EXAMPLES) == len(FIELDS)


@pytest.mark.parametrize(("kind", "example"), list(zip(FIELDS, EXAMPLES, strict=False)), ids=FIELDS)
def test_an_example_has_the_fields_of_the_contract_and_fits_the_schema(kind: str, example: str) -> None:
    document = json.loads(example)
    components = describe(application_routes(), "1.2.3")["components"]
    schema = {"$ref": f"#/components/schemas/{SCHEMAS[kind]}", "components": components}

    jsonschema_rs.validator_for(schema, validate_formats=True).validate(document)
    assert fields(document) == FIELDS[kind]
