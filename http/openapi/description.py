"""Builds the OpenAPI 3.1 description from routes, `OPERATIONS` and `REFUSALS`.

The schemas of request bodies come from the pydantic models that validate them, the schemas of answers from structs: for
documents, those that build and import them.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import Route

from trackd.core.document_shapes import SharedProfile
from trackd.core.documents import TokenScope
from trackd.http.authentication import RequireScope
from trackd.http.openapi.answers import SCHEMAS
from trackd.http.openapi.operations import JSON, OPERATIONS, TAGS, Operation, by_query
from trackd.http.openapi.refusals import ANY, GUARDED, REFUSALS, WITH_BODY
from trackd.http.openapi.swagger import FILES
from trackd.http.track.idempotency_key import MAX_LENGTH as MAX_KEY_LENGTH
from trackd.http.track.payload import TEXT_ID

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

PATH_PARAMETERS: Mapping[str, dict[str, Any]] = {
    "id": {
        "description": "Slashes in it may be sent as they are; as `%2F` at its end or before a word such as `events`. "
        "Ids that a path cannot name are sent as `?id=`.",
        "schema": TEXT_ID,
    },
    "name": {"schema": {"type": "string", "enum": sorted(FILES)}},
}
ID_IN_QUERY = {
    "name": "id",
    "in": "query",
    "required": True,
    "description": "Any id, exactly as it is stored, also one that a path cannot name: `count`, `a/events`, `..`.",
    "schema": {"type": "string", "minLength": 1},
}
NAMED_BY_QUERY = {operation.name for operation in OPERATIONS.values() if operation.by_query}
TEXT: Mapping[str, Any] = {"type": "string"}
HEADER_SCHEMAS = {"Idempotency-Key": {**TEXT, "maxLength": MAX_KEY_LENGTH}}
HEADERS = {
    "X-Process-Time": {
        "description": "Seconds from the request's head to the answer's.",
        "required": True,
        "schema": {"type": "number", "minimum": 0},
    },
    "Retry-After": {
        "description": "Seconds to wait before sending it again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}},
}


def describe(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The complete description. `version` is trackd's version."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, scope in operations_of(routes):
        operation = OPERATIONS[method, path]
        paths.setdefault(path, {})[method.lower()] = _described(operation, path, scope)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "trackd",
            "version": version,
            "summary": "An event collector that keeps profiles consistent.",
        },
        "servers": [{"url": "."}],  # where this description is, also below a path prefix
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {name: _refusal(name) for name in REFUSALS},
            "headers": HEADERS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`trackd token new NAME`"}
            },
        },
    }


def operations_of(routes: Iterable[Route]) -> list[tuple[str, str, TokenScope | None]]:
    """Method, path in OpenAPI's notation, and required scope of each operation. HEAD is left out."""
    return [
        (method, re.sub(r"{(\w+):\w+}", r"{\1}", route.path), _required_scope(route))
        for route in routes
        for method in METHODS
        if method in (route.methods or ()) and route.include_in_schema  # not pages
    ]


def _required_scope(route: Route) -> TokenScope | None:
    return route.endpoint.required_scope if isinstance(route.endpoint, RequireScope) else None


def _described(operation: Operation, path: str, scope: TokenScope | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _description(operation, scope),
        "security": [] if scope is None else [{"token": [scope.value]}],
        "parameters": [
            *_path_parameters(path),
            *([ID_IN_QUERY] if operation.by_query else []),
            *_query_parameters(operation),
            *_header_parameters(operation),
        ],
        "responses": {"200": _success(operation)},
    }
    if operation.body is not None:
        body = {"schema": _reference(operation.body), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {JSON: body}}
    for name in _refusals(operation, scope):
        described["responses"][str(REFUSALS[name].status)] = {"$ref": f"#/components/responses/{name}"}
    return described


def _description(operation: Operation, scope: TokenScope | None) -> str:
    sentences = [operation.description] if operation.description else []
    if scope is not None:
        sentences.append(f"Needs a token with the scope `{scope.value}`.")
    return " ".join(sentences)


def _refusals(operation: Operation, scope: TokenScope | None) -> list[str]:
    return [
        *ANY,
        *(GUARDED if scope is not None else ()),
        *(WITH_BODY if operation.body is not None else ()),
        *(("Invalid",) if operation.query is not None else ()),
        *(("DocumentAbsent",) if operation.absent else ()),
        *operation.refuses,
    ]


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]} for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    """All are optional: a query has no other way to write null."""
    if operation.query is None:
        return []
    return [
        _query_parameter(name, schema) for name, schema in operation.query.model_json_schema()["properties"].items()
    ]


def _query_parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in schema.items() if key not in ("title", "description", "anyOf", "default")}
    if schema.get("default") is not None:
        shown["default"] = schema["default"]
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    shown |= choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {}
    description = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": "query", "schema": shown, **description}


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "description": description, "schema": HEADER_SCHEMAS.get(name, TEXT)}
        for name, description in operation.headers.items()
    ]


def _success(operation: Operation) -> dict[str, Any]:
    any_content = {"type": "object" if operation.answer_types == (JSON,) else "string"}
    schema = any_content if operation.answer is None else _reference(operation.answer)
    answer: dict[str, Any] = {
        "description": operation.summary,
        "headers": _headers("X-Process-Time"),
        "content": {media_type: {"schema": schema} for media_type in operation.answer_types},
    }
    if operation.links:
        answer["links"] = dict(_links(operation))
    return answer


def _links(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    """To each operation, and to the same one that takes the id in its query."""
    for name, pointer in operation.links.items():
        yield name, _link(name, "path", pointer)
        if by_query(name) in NAMED_BY_QUERY:
            yield by_query(name), _link(by_query(name), "query", pointer)


def _link(name: str, place: str, pointer: str) -> dict[str, Any]:
    return {"operationId": name, "parameters": {f"{place}.id": f"$response.body#{pointer}"}}


def _refusal(name: str) -> dict[str, Any]:
    refusal = REFUSALS[name]
    schema = {"enum": [None]} if refusal.answer is None else _reference(refusal.answer)
    return {
        "description": refusal.description,
        "headers": _headers("X-Process-Time", *refusal.headers),
        "content": {JSON: {"schema": schema}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _reference(model: type[BaseModel | Struct]) -> dict[str, str]:
    return {"$ref": SCHEMAS.format(name=model.__name__)}


def _schemas() -> dict[str, Any]:
    schemas = _body_schemas() | _answer_schemas()
    _spell_out(schemas)
    return schemas


def _spell_out(value: Any) -> None:
    """Add what means the same in JSON Schema when it is left out, but not to generators of clients.

    They refuse arrays without `items`, and make objects without `additionalProperties` always empty ones.
    """
    if isinstance(value, dict):
        if value.get("type") == "array":
            value.setdefault("items", {})
        elif value.get("type") == "object" and "properties" not in value:
            value.setdefault("additionalProperties", True)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            _spell_out(inner)


def _body_schemas() -> dict[str, Any]:
    models = {operation.body for operation in OPERATIONS.values() if operation.body is not None}
    by_name = sorted(models, key=lambda model: model.__name__)
    template = SCHEMAS.replace("{name}", "{model}")
    _, definitions = models_json_schema([(model, "validation") for model in by_name], ref_template=template)
    schemas: dict[str, Any] = definitions["$defs"]
    for schema in schemas.values():
        for field in schema["properties"].values():
            _describe_default(field)
    return schemas


def _describe_default(field: dict[str, Any]) -> None:
    """Generators of clients take a field with `default` for a required one. Empty defaults need no words."""
    default = field.pop("default", None)
    if default not in (None, [], {}, ""):
        field["description"] = f"{field.get('description', '')} Default: `{json.dumps(default)}`.".strip()


def _answer_schemas() -> dict[str, Any]:
    answers = {operation.answer for operation in OPERATIONS.values()}
    answers |= {refusal.answer for refusal in REFUSALS.values()}
    structs = {answer for answer in answers if answer is not None} | {SharedProfile}
    by_name = sorted(structs, key=lambda struct: struct.__name__)
    _, schemas = schema_components(by_name, ref_template=SCHEMAS)
    for schema in schemas.values():
        _require_fields_with_default(schema)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return schemas


def _require_fields_with_default(schema: dict[str, Any]) -> None:
    """A default is for code that makes the struct: an answer has the field, unless its default is UNSET."""
    for name, field in schema["properties"].items():
        if "default" in field:
            del field["default"]
            schema["required"] = [*schema.get("required", ()), name]
