"""Hooks for schemathesis: dependencies between values, which OpenAPI cannot describe."""

import itertools
import os
import re
from typing import Any

import schemathesis
from hypothesis import strategies

from tests.support.payloads import SESSION_ID, SOURCE_ID
from trackd.config.settings import Limits
from trackd.core.feed_cursor import PATTERN
from trackd.http.feed.query import MAX_WAIT_S
from trackd.http.track.blocked_ids import BlockedIds

Case = schemathesis.Case[schemathesis.APIOperation[Any, Any, Any, Any]]

BLOCKED = BlockedIds(Limits().blocked_ids)
OF_THE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer"}
CURSOR = re.compile(PATTERN)
addresses = itertools.count()

schemathesis.openapi.format(
    "printable", strategies.text(strategies.characters(categories=["L", "N", "P"]), min_size=1, max_size=255)
)

schemathesis.openapi.format(
    "origin",
    strategies.one_of(
        strategies.sampled_from(
            ["null", "file://", "capacitor://localhost", "https://[::1]", "https://*.shop.example"]
        ),
        strategies.from_regex(r"https?://[a-z]{1,20}(\.[a-z]{1,20}){0,3}(:[1-9][0-9]{0,3})?", fullmatch=True),
    ),
)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Case, **_: Any) -> None:
    for name in [each for each in case.headers if each.lower() in OF_THE_CONNECTION]:
        del case.headers[name]  # headers with any name and value are tried, but these have a meaning
    # Each call from its own address: with 10 failures to authenticate from one, all further ones are 429.
    number = next(addresses)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    operation, body = case.operation.label, case.body
    if operation == "POST /track" and isinstance(body, dict):
        source = body.get("source")
        if isinstance(source, dict) and _is_id(source.get("id")):
            source["id"] = SOURCE_ID  # calls of an unknown source would all be refused
        session = body.get("session")
        if isinstance(session, dict) and _is_id(session.get("id")) and str(session["id"]) in BLOCKED:
            session["id"] = SESSION_ID
    if (
        operation.removesuffix("/{id}") in ("PUT /event-source", "PATCH /event-source")
        and isinstance(body, dict)
        and _is_id(body.get("id"))
    ):
        del body["id"]  # otherwise it must equal the id in the address
    if operation == "GET /feed" and isinstance(case.query, dict):
        if _is_long(case.query.get("wait")):
            case.query["wait"] = 0  # it would wait for longer than schemathesis does
        if CURSOR.fullmatch(str(case.query.get("after"))):
            case.query["after"] = "0"  # no cursor of this database
    if operation == "GET /events/session" and number % 2 and isinstance(case.query, dict) and case.query.get("id"):
        case.query["id"] = SESSION_ID
    if (
        operation in ("GET /profile/events", "GET /profile/export", "GET /profile/sessions")
        and number % 2
        and case.meta is not None
        and case.meta.phase.name == "fuzzing"  # a sequence of calls may have erased the profile
        and isinstance(case.query, dict)
        and case.query.get("id")
    ):
        case.query["id"] = os.environ["PROFILE_ID"]
    if operation == "GET /events/session/{id}" and number % 2 and _is_id(case.path_parameters.get("id")):
        case.path_parameters["id"] = SESSION_ID  # few other sessions exist


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and 0 < len(str(value).strip()) <= 255


def _is_long(wait: object) -> bool:
    try:
        return 1 < float(str(wait)) <= MAX_WAIT_S
    except ValueError:
        return False
