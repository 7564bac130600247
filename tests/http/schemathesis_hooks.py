"""What schemathesis has to be told beyond the description: it cannot say that one value depends on another."""

import itertools
import json
from typing import Any

import schemathesis
from hypothesis import strategies

from tests.support import SOURCE_ID

addresses = itertools.count()

schemathesis.openapi.format(
    "printable", strategies.text(strategies.characters(categories=["L", "N", "P"]), min_size=1, max_size=255)
)


@schemathesis.serializer("text/plain")
def beacon(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Beacons send JSON as text."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, **_: Any) -> None:
    # Each call from its own address: with 10 failures to authenticate from one, all further ones are 429.
    number = next(addresses)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    body = case.body
    if case.operation.path == "/track" and isinstance(body, dict):
        _name_the_source_that_is_there(body)
    if case.operation.label == "PUT /event-source/{id}" and isinstance(body, dict) and _is_text_id(body.get("id")):
        del body["id"]  # or it has to be that of the path


def _name_the_source_that_is_there(payload: dict[str, Any]) -> None:
    """Most calls would be refused otherwise."""
    source = payload.get("source")
    if isinstance(source, dict) and _is_text_id(source.get("id")):
        source["id"] = SOURCE_ID


def _is_text_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 255
