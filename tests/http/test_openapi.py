"""The description of the API, compared with the routes and with a running server."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from tests.support.payloads import bearer
from tests.support.serving import ADMIN_SECRET, application_routes, serving
from trackd.core.documents import Token, secret_hash
from trackd.http.api.parameters import ProfilesQuery
from trackd.http.openapi.description import describe, operations_of
from trackd.http.openapi.operations import OPERATIONS, TAGS
from trackd.storage.memory import MemoryStore

READ_SECRET = "trackd_for-reading"
DESCRIPTION = describe(application_routes(), "1.2.3")
OPERATIONS_DESCRIBED = [
    (method.upper(), path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
]
EACH = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS_DESCRIBED, ids=lambda value: value if isinstance(value, str) else ""
)


def test_exactly_the_routes_are_described() -> None:
    routes = {(method, path) for method, path, _ in operations_of(application_routes())}
    assert routes == set(OPERATIONS) == {(method, path) for method, path, _ in OPERATIONS_DESCRIBED}


def test_names_are_unique_tags_are_explained_and_links_lead_to_operations_that_take_an_id() -> None:
    names = Counter(operation["operationId"] for _, _, operation in OPERATIONS_DESCRIBED)
    assert set(names.values()) == {1}
    assert {tag for _, _, operation in OPERATIONS_DESCRIBED for tag in operation["tags"]} == set(TAGS)
    take_an_id = {
        (operation["operationId"], f"{parameter['in']}.id")
        for _, _, operation in OPERATIONS_DESCRIBED
        for parameter in operation["parameters"]
        if parameter["name"] == "id" and parameter.get("required")
    }
    for _, _, operation in OPERATIONS_DESCRIBED:
        for name, link in operation["responses"]["200"].get("links", {}).items():
            [parameter] = link["parameters"]
            assert (link["operationId"], (name, parameter) in take_an_id) == (name, True)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_has_a_target_and_every_component_is_referenced() -> None:
    components = {
        f"#/components/{kind}/{name}"
        for kind, parts in DESCRIPTION["components"].items()
        for name in parts
        if kind != "securitySchemes"
    }
    assert set(references(DESCRIPTION)) == components


@pytest.mark.parametrize("name", DESCRIPTION["components"]["schemas"])
def test_the_schemas_are_json_schemas(name: str) -> None:
    assert jsonschema_rs.meta.is_valid(DESCRIPTION["components"]["schemas"][name])


def schemas_within(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from schemas_within(inner)


def test_the_schemas_spell_out_what_generators_of_clients_would_misread() -> None:
    for schema in schemas_within(DESCRIPTION["components"]["schemas"]):
        assert schema.get("type") != "array" or "items" in schema
        assert schema.get("type") != "object" or {"properties", "additionalProperties"} & set(schema)
        assert "default" not in schema  # they would take the field for a required one
    for _, _, operation in OPERATIONS_DESCRIBED:
        assert set(operation.get("requestBody", {}).get("content", {})) <= {"application/json"}


def accepts(name: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DESCRIPTION["components"]}
    return jsonschema_rs.validator_for(schema).is_valid(value)


@pytest.mark.parametrize(
    "odd",
    [
        {"session": {"id": 17}},
        {"session": {"id": ""}, "profile": {"id": " "}, "events": [{"type": "x", "id": ""}]},
        {"session": {"id": None}},
        {"profile": []},
        {"profile": {"id": None}},
        {"context": None, "properties": [], "options": []},
        {"events": [{"type": "x", "id": 1.5, "properties": None, "time": "yesterday", "metadata": 7}]},
        {"device": {"screen": 1}},
    ],
)
def test_the_schema_accepts_the_odd_payloads_that_the_server_accepts(odd: dict[str, Any]) -> None:
    assert accepts("TrackerPayload", {"source": {"id": "a"}, "session": {"id": "b"}, "events": []} | odd)


@pytest.mark.parametrize(
    "wrong", [{"session": {}}, {"source": {"id": " "}}, {"events": [{}]}, {"properties": [1]}, {"events": None}]
)
def test_the_schema_refuses_payloads_that_the_server_refuses(wrong: dict[str, Any]) -> None:
    assert not accepts("TrackerPayload", {"source": {"id": "a"}, "session": {"id": "b"}, "events": []} | wrong)


@EACH
def test_every_operation_lists_the_statuses_of_its_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    statuses = set(operation["responses"])
    assert {"200", "400", "431", "500"} <= statuses
    if operation["security"]:
        assert {"401", "403", "429", "503"} <= statuses
    if "requestBody" in operation:
        assert {"413", "415", "422"} <= statuses
    in_query = [
        parameter for parameter in operation["parameters"] if parameter["name"] == "id" and parameter.get("required")
    ]
    if "{id}" in path or in_query:
        assert {"404", "422"} <= statuses


def test_each_operation_on_a_document_has_one_that_takes_any_id_in_its_query() -> None:
    for method, path, operation in OPERATIONS_DESCRIBED:
        if "{id}" in path and (method, path) != ("GET", "/event-source/{id}"):  # a list has the parameter
            other = DESCRIPTION["paths"][path.replace("/{id}", "")][method.lower()]
            [named] = [parameter for parameter in other["parameters"] if parameter["name"] == "id"]
            assert (named["in"], named["required"]) == ("query", True)
            assert other["operationId"] == f"{operation['operationId']}_by_query"
            assert other["security"] == operation["security"]


@EACH
async def test_every_operation_requires_the_scope_that_is_described(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    [[needed]] = [need["token"] for need in operation["security"]] or [["nothing"]]

    store = MemoryStore()
    store.put_token(Token("reader", secret_hash(READ_SECRET), ("read",)))
    store.put_token(Token("operator", secret_hash(ADMIN_SECRET), ("admin",)))
    async with serving(store) as client:
        ways = [{}, bearer("trackd_wrong"), bearer(READ_SECRET), bearer(ADMIN_SECRET)]
        answers = [await client.request(method, path.format(id="x", name="x"), headers=way) for way in ways]
    none, wrong, reader, operator = [(answer.status_code, answer.headers.get("www-authenticate")) for answer in answers]
    assert (none == wrong == (401, "Bearer")) == (needed != "nothing")
    assert (reader[0] == 403) == (needed in ("admin", "erase"))
    assert operator[0] not in (401, 403, 405)


async def test_the_description_is_public() -> None:
    async with serving(MemoryStore()) as client:
        first, *others = await asyncio.gather(*(client.get("/openapi.json") for _ in range(3)))
    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert {answer.content for answer in others} == {first.content}
    described = first.json()
    assert described["openapi"] == "3.1.0"
    assert described["paths"] == json.loads(json.dumps(DESCRIPTION["paths"]))


def test_the_start_does_not_import_the_description() -> None:
    loaded = "import sys, trackd.cli.serve; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", loaded], text=True).split()
    assert "trackd.http.openapi.endpoint" in modules
    assert not {"trackd.http.openapi.description", "trackd.http.openapi.answers", "flask"} & set(modules)


@pytest.mark.parametrize(
    ("trait", "sound"),
    [
        (sound, True)
        for sound in ("plan", "address.city:a.b:\n", "plan:", '"utm.source":x', r'"\"\u00e9".a', 'a"b', "a\0")
    ]
    + [(wrong, False) for wrong in ("", ":x", ".", "a..b", '"a', '"a"b', r'"\q"', ".".join("a" * 17))],
)
def test_a_trait_is_accepted_exactly_when_it_matches_the_described_pattern(trait: str, sound: bool) -> None:
    [described] = [schema for schema in parameters("GET", "/profiles") if schema["name"] == "trait"]
    assert jsonschema_rs.validator_for(described["schema"]).is_valid(trait) == sound
    try:
        ProfilesQuery(trait=trait)
    except ValidationError:
        assert not sound
    else:
        assert sound


def parameters(method: str, path: str) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = DESCRIPTION["paths"][path][method.lower()]["parameters"]
    return described
