"""Calls of at most a megabyte that are made to take long, or to write much: each is answered, and so is the next."""

import json
from collections.abc import Callable
from typing import Any

from tests.faults.real_server import RealServer, raw_call
from tests.support.database import rows
from tests.support.payloads import SOURCE_ID
from tests.support.raw_http import statuses

Start = Callable[..., RealServer]
CLOSE = "Connection: close"
FORM = "multipart/form-data; boundary=x"
MARKS = "e" + "\u0300\u0316" * 60_000  # sorting them takes the square of their number
MAX_BODY = 1_048_576


def nested(value: Any, key: str, depth: int) -> Any:
    for _ in range(depth):
        value = {key: value}
    return value


def call(session: str, *events: tuple[str, Any], **more: Any) -> bytes:
    body = {
        "source": {"id": SOURCE_ID},
        "session": {"id": session},
        "events": [{"type": event_type, "properties": properties} for event_type, properties in events],
        **more,
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(text) <= MAX_BODY
    return text


def email(value: Any) -> tuple[str, Any]:
    return "profile-update", {"email": value}


REFUSALS = [("consent-granted", {f"{number}-{n}": False for n in range(1_000)}) for number in range(20)]
IN_TURN = [("consent-granted", {"a": bool(n % 2)}) for n in range(930)]
CALLS = {
    "consents": call("consents", *REFUSALS, *IN_TURN),
    "marks": call("marks", email(MARKS)),
    "many values": call("values", email({"n": list(range(30_000))})),
    "long names": call("names", email(nested(list(range(15_000)), "n" * 1_500, 55))),
    "deep context": call("deep", context=nested({f"k{n}": n for n in range(15_000)}, "k", 55)),
    "deep context that changes": call("deep", context=nested({f"k{n}": n + 1 for n in range(15_000)}, "k", 55)),
}


def test_calls_that_are_made_to_take_long_are_answered(start: Start) -> None:
    server = start()
    parameters = ';x="\\"'
    part = f"--x\r\nContent-Disposition: form-data{parameters * 150_000}\r\n\r\n{{}}\r\n--x--".encode()
    assert statuses(server.exchange(raw_call(headers=(CLOSE, f"Content-Type: {FORM}"), body=part))) == [422]
    json_type = f"Content-Type: application/json{parameters * 5_000}"
    assert statuses(server.exchange(raw_call("t", headers=(CLOSE, json_type)))) == [200]
    for name, body in CALLS.items():
        assert statuses(server.exchange(raw_call(headers=(CLOSE,), body=body))) == [200], name
    assert server.call("next").status_code == 200
    found = rows(server.db, "SELECT count(*) AS number, sum(length(name) + length(value)) AS size FROM pii")
    assert found[0]["number"] == 250  # of the many values; names and texts that are too long are not searched for
    assert found[0]["size"] < 10_000
    assert "Traceback" not in server.log()


def test_a_call_writes_a_few_times_its_own_bytes(start: Start) -> None:
    server = start()
    tiny: list[tuple[str, Any]] = [("a", {})] * 1_000
    for session in ("x" * 255, "\U0001f600" * 255):
        assert statuses(server.exchange(raw_call(headers=(CLOSE,), body=call(session, *tiny)))) == [413]
    assert server.events() == []
    assert statuses(server.exchange(raw_call(headers=(CLOSE,), body=call("x" * 36, *tiny)))) == [200]
    assert len(server.events()) == 1_000
    for with_properties in ("x" * 255, "x" * 100):
        events = [("page-view", {"url": "https://shop.example/products/1"})] * 1_000
        assert statuses(server.exchange(raw_call(headers=(CLOSE,), body=call(with_properties, *events)))) == [200]
