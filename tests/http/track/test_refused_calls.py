"""Refused calls are kept as refusals: over a real socket, on all ways that a call may take."""

import gzip
import json
from typing import Any

import pytest

from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import eventually
from tests.support.raw_http import connected
from tests.support.serving import serving
from trackd.config.settings import Limits, Privacy, Refusals, Server, Settings
from trackd.core.documents import Source
from trackd.core.refusals import Refusal
from trackd.core.rules.compiling import compile_rules
from trackd.http.track.refused_calls import Identified, identify
from trackd.storage.memory import MemoryStore

RULES = compile_rules(
    {
        "event": {"order": {"schema": {"properties": {"price": {"type": "number"}}}}},
        "validation": {"refuse": ["strict", "asks"]},
        "unwanted": [{"name": "bots", "types": ["bot*"]}],
    },
    Limits(),
)
JSON = {"content-type": "application/json"}
SECRET = "9emqGL0bIZmIgaz4gjevBlcFuteSUAGx2FcS2EgmO08"


def sources() -> MemoryStore:
    return MemoryStore(
        [
            Source(SOURCE_ID, "test"),
            Source("off", "", enabled=False),
            Source("origins", "", origins=("https://shop.example",)),
            Source("slow", "", rate_limit=0.001),
            Source("strict", ""),
            Source("asks", "", consent=True),
        ]
    )


def settings(**groups: Any) -> Settings:
    return Settings(server=Server(drain_ms=0), limits=Limits(max_body_bytes=4_096, max_events=3), **groups)


async def refusals_of(*requests: dict[str, Any], **groups: Any) -> list[Refusal]:
    """Send the requests, one after the other, and return the refusals: the last ones are written at the stop."""
    store = sources()
    async with serving(store, settings(**groups), rules=RULES) as client:
        for request in requests:
            await client.request(request.pop("method", "POST"), request.pop("path", "/track"), **request)
    return store.refusals


def call(source: str = SOURCE_ID, *types: str, **more: Any) -> dict[str, Any]:
    return payload("S", *types, profile="P", source=source, **more)


REFUSED: dict[str, tuple[int, str, dict[str, Any]]] = {
    "unknown": (401, "unknown_source", {"json": call("nope", "t")}),
    "disabled": (401, "disabled_source", {"json": call("off", "t")}),
    "origin": (403, "foreign_origin", {"json": call("origins", "t"), "headers": {"origin": "https://evil.example"}}),
    "field": (422, "invalid", {"json": call(SOURCE_ID, "t") | {"events": [{"type": "t"}, {}]}}),
    "schema": (422, "invalid", {"json": call("strict", events=[{"type": "order", "properties": {"price": "a"}}])}),
    "text": (422, "invalid", {"content": json.dumps(call(SOURCE_ID, "t")) + "}", "headers": JSON}),
    "cut": (422, "invalid", {"content": json.dumps(call(SOURCE_ID, "t"))[:-1], "headers": JSON}),
    "size": (413, "too_large", {"json": call(SOURCE_ID, "t", context={"a": "x" * 9_000})}),
    "events": (413, "too_large", {"json": call(SOURCE_ID, *"tttt")}),
    "nesting": (413, "too_large", {"content": json.dumps(call())[:-1] + ', "a": ' + "[" * 99, "headers": JSON}),
    "type": (415, "unsupported", {"content": json.dumps(call()), "headers": {"content-type": "text/xml"}}),
    "charset": (
        415,
        "unsupported",
        {"content": json.dumps(call()), "headers": {"content-type": "text/plain;charset=a"}},
    ),
    "zip": (
        422,
        "invalid",
        {"content": gzip.compress(json.dumps(call()).encode())[:-9], "headers": {**JSON, "content-encoding": "gzip"}},
    ),
    "zipped": (
        401,
        "unknown_source",
        {"content": gzip.compress(json.dumps(call("nope")).encode()), "headers": {**JSON, "content-encoding": "gzip"}},
    ),
    "form": (401, "unknown_source", {"data": {"payload": json.dumps(call("nope"))}}),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refused_call_is_kept_with_its_reason_and_its_ids(kind: str) -> None:
    status, reason, request = REFUSED[kind]

    [refusal] = await refusals_of(dict(request))

    assert (refusal.status, refusal.reason, refusal.network) == (status, reason, "127.0.0.0/24")
    assert (refusal.session_id, refusal.profile_id) == ("S", "P")
    assert refusal.source_id is not None
    assert '"session"' in (refusal.body or "")
    assert json.loads(refusal.faults)


async def test_the_faults_are_those_of_the_answer() -> None:
    [field] = await refusals_of({"json": call() | {"events": [{"type": "t"}, {}]}})
    [origin] = await refusals_of({"json": call("origins"), "headers": {"origin": "https://evil.example"}})

    assert json.loads(field.faults) == [
        {"loc": ["body", "events", 1, "type"], "msg": "Field required", "type": "missing"}
    ]
    assert "https://evil.example" in origin.faults


async def test_the_rate_limit_of_a_source_is_a_reason_and_so_is_that_of_a_client() -> None:
    kept = await refusals_of({"json": call("slow", "t")}, {"json": call("slow", "t")})
    assert [(each.status, each.reason, each.source_id, each.event_type) for each in kept] == [
        (429, "rate_limited", "slow", "t")
    ]

    limits = Limits(client_calls_per_s=1, unlimited_clients="10.0.0.1")
    store = sources()
    async with serving(store, Settings(server=Server(drain_ms=0), limits=limits)) as client:
        while (await client.post("/track", json=call(SOURCE_ID, "t"))).status_code == 200:
            pass
    assert [(each.reason, each.session_id) for each in store.refusals] == [("too_many_calls_of_a_client", "S")]


async def test_another_method_is_kept_and_a_preflight_or_another_path_is_none() -> None:
    kept = await refusals_of(
        {"method": "OPTIONS", "headers": {"origin": "https://a.example", "access-control-request-method": "POST"}},
        {"path": "/trak", "json": call("nope")},
        {"method": "GET"},
    )

    assert [(each.status, each.reason) for each in kept] == [(405, "method_not_allowed")]


async def test_refusals_of_the_connection_are_kept_when_they_are_of_track() -> None:
    store = sources()
    async with serving(store, settings()) as client:
        for path in ("/ready", "/track"):
            async with connected(str(client.base_url)) as connection:
                await connection.send(f"POST {path} HTTP/1.1\r\nhost: a\r\nx: {'y' * 70_000}\r\n\r\n".encode())
                await connection.rest()
        async with connected(str(client.base_url)) as connection:
            assert (await connection.ask(b"POST /track HTTP/1.1\r\n\r\n")).status == 400  # without Host

    assert [(each.status, each.reason) for each in store.refusals] == [(431, "head_too_large"), (400, "not_http")]


async def test_a_call_that_is_to_be_sent_again_is_none() -> None:
    store = sources()
    async with serving(store, Settings(server=Server(drain_ms=0), limits=Limits(max_queued_bytes=1_024))) as client:
        answer = await client.post("/track", json=call(SOURCE_ID, "t", context={"a": "x" * 2_000}))
        assert answer.status_code == 503
        await client.post("/track", json=call("nope"))

    assert [each.status for each in store.refusals] == [401]


async def test_events_of_an_accepted_call_are_kept_with_their_reasons() -> None:
    kept = await refusals_of(
        {"json": call(SOURCE_ID, events=[{"type": "t", "id": "e"}, {"type": "bot"}])},
        {"json": call(SOURCE_ID, events=[{"type": "t", "id": "e"}, {"type": "order", "properties": {"price": "a"}}])},
        {"json": call("asks", events=[{"type": "t", "properties": {"a": "mine"}}])},
    )

    assert [each.reason for each in kept] == ["unwanted", "duplicate", "invalid", "without_consent"]
    assert {each.status for each in kept} == {200}
    assert [each.body is None for each in kept] == [False, False, False, True]


@pytest.mark.parametrize("mode", ["none", "network", "full"])
async def test_the_address_is_kept_as_its_network_at_most(mode: Any) -> None:
    headers = {"x-forwarded-for": "203.0.113.77"}
    kept = await refusals_of(
        {"json": call("nope"), "headers": headers},
        {"json": call(SOURCE_ID, "bot"), "headers": headers},
        privacy=Privacy(ip=mode),
    )

    assert {each.network for each in kept} == {None if mode == "none" else "203.0.113.0/24"}
    assert "203.0.113.77" not in str(kept)


@pytest.mark.parametrize("kind", REFUSED)
async def test_without_bodies_no_value_of_a_client_is_kept(kind: str) -> None:
    _, reason, request = REFUSED[kind]

    [refusal] = await refusals_of(dict(request), refusals=Refusals(bodies=False))

    assert refusal.reason == reason
    assert refusal.body is None
    assert "evil" not in refusal.faults
    assert '\\"a\\"' not in refusal.faults


async def test_a_call_of_a_source_that_requires_consent_is_kept_without_its_body() -> None:
    order = {"type": "order", "properties": {"price": "mine"}}

    [refusal] = await refusals_of({"json": call("asks", events=[{**order, "time": 1}]) | {"events": [{"a": "mine"}]}})

    assert (refusal.source_id, refusal.body) == ("asks", None)
    assert "mine" not in str(refusal)


async def test_no_token_is_kept() -> None:
    headers = {"authorization": f"Bearer trackd_{SECRET}", "cookie": f"a={SECRET}"}
    kept = await refusals_of(
        {"json": call(f"trackd_{SECRET}"), "headers": headers},
        {"json": call(SOURCE_ID) | {"events": [{"Authorization": f"Bearer {SECRET}"}]}, "headers": headers},
        {"json": call(SOURCE_ID, "bot", context={"token": f"trackd_{SECRET}"}), "headers": headers},
        {"method": "GET", "path": f"/track?token={SECRET}", "headers": headers},
    )

    assert len(kept) == 4
    assert SECRET not in str(kept)


async def test_without_refusals_to_keep_there_are_none() -> None:
    store = sources()
    async with serving(store, settings(refusals=Refusals(keep=0))) as client:
        assert (await client.post("/track", json=call("nope"))).status_code == 401
    assert store.refusals == []


async def test_refusals_are_written_while_the_server_runs() -> None:
    store = sources()
    async with serving(store, settings()) as client:
        await client.post("/track", json=call("nope"))
        await eventually(lambda: store.refusals)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"events": 1}', b'{"session": 5}', b"1" * 5_000]
)
def test_a_body_without_ids_has_none(body: bytes) -> None:
    assert identify(body) == Identified()


def test_ids_are_found_in_all_that_is_similar_to_a_call() -> None:
    whole = json.dumps(call("a", "t", "t")).encode()
    known = Identified("a", "S", "P", "t")

    assert identify(whole) == known
    assert identify(whole[:-1]) == Identified("a", "S", "P")
    assert identify(json.dumps({**call("a"), "events": "none"}).encode()) == Identified("a", "S", "P")
    assert identify(b'{"source": {"id": 17}, "session": {"id": null}}') == Identified("17")
    assert identify(json.dumps(call("a", "t", "u")).encode()).event_type is None
