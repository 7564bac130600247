"""Calls of at most 1 MiB that would take the server for seconds: each is answered soon, and memory stays level."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.faults.real_server import RealServer
from tests.support.payloads import payload

RULES = """
[event.skus.schema]
properties.skus = { type = "array", items = { type = "string" } }

[event.branches.schema]
properties.l = { items = { oneOf = [ { required = ["a"] }, { required = ["b"] } ] } }

[event.tree.schema]
oneOf = [ { properties.a = { "$ref" = "#" } }, { properties.a = { "$ref" = "#" }, required = ["b"] } ]
type = "object"

[event.unique.schema]
properties.l = { uniqueItems = true }

[[rule]]
name = "pairs"
event = "pairs"
when = "event.properties.l.exists(a, event.properties.l.exists(b, a == b + 1))"
steps = [ { target = "pii.pair", value = true } ]

[[rule]]
name = "inherits"
event = "keys"
steps = [ { target = "interests.*", op = "increment", from = "properties" } ]
"""


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


def properties_of_events() -> dict[str, list[dict[str, Any]]]:
    return {
        "skus": [{"skus": [1] * 500_000}],
        "branches": [{"l": [{}] * 340_000}],
        "tree": [nested(50)],
        "unique": [{"l": [[[number]] for number in range(100_000)]}],
        "pairs": [{"l": list(range(0, 200, 2))}] * 1_000,
        "keys": [{str(number): 1 for number in range(100)}] * 900,
    }


REFUSED = {
    "unique": "the schema of `unique`",
    "pairs": "the condition of the rule `pairs`",
    "keys": "the rule `inherits`",
}


def test_a_call_that_takes_too_much_work_is_refused_with_what_is_too_much(
    start: Callable[..., RealServer], rules: Callable[[str], str]
) -> None:
    server = start(TRACKD_RULES_PATH=rules(RULES))
    found, reasons = {}, {}
    with server.unharmed(slack_kb=100_000):
        for name, made in properties_of_events().items():
            call = payload(name)
            call["events"] = [{"type": name, "properties": properties} for properties in made]
            body = json.dumps(call, separators=(",", ":")).encode()
            assert len(body) <= 1 << 20
            answer = httpx.post(
                f"{server.url}/track", content=body, headers={"content-type": "application/json"}, timeout=30
            )
            if answer.status_code == 413:
                found[name] = answer.json()["detail"]
            else:
                assert answer.status_code == 200
                reasons[name] = answer.json()["debugging"]["logs"][0]["message"]
    assert found.keys() == REFUSED.keys()
    for name, what in REFUSED.items():
        assert f"({name}), {what}. Nothing of it is stored" in found[name]
    assert reasons.keys() == {"skus", "branches", "tree"}
    assert all(reason.startswith("The event is invalid and changes nothing: ") for reason in reasons.values())
    assert {event["type"] for event in server.events()} == {"before", "after", *reasons}
