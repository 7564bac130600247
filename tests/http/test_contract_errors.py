"""Contract 2.6, row by row: every answer that is the client's fault, over a real socket."""

import gzip
import json
from typing import Any

import pytest

from tests.http.error_requests import JSON, SOURCES, ask, refusal
from tests.support.payloads import payload
from tests.support.raw_http import connected
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Source
from trackd.core.source_checks import checked_origins
from trackd.storage.memory import MemoryStore


async def test_401_for_an_unknown_source() -> None:
    assert await refusal(401, {"json": payload("s", source="unknown")}) == "Invalid event source `unknown`."


async def test_401_for_a_disabled_source() -> None:
    assert await refusal(401, {"json": payload("s", source="off")}) == "Event source disabled."


async def test_403_for_a_foreign_origin() -> None:
    request = {"json": payload("s", source="shop"), "headers": {"origin": "https://thief.example"}}
    assert "https://thief.example" in await refusal(403, request)


@pytest.mark.parametrize("headers", [{}, {"origin": "https://shop.example"}])
async def test_the_origins_of_a_source_and_clients_without_an_origin_may_send(headers: dict[str, str]) -> None:
    [answer] = await ask({"json": payload("s", source="shop"), "headers": headers})
    assert answer.status_code == 200


async def test_each_kind_of_origin_is_allowed_and_echoed_and_its_look_alikes_are_refused_and_echoed() -> None:
    origins = ["https://bücher.example:443", "https://*.shop.example", "http://[0::1]:3000"]
    origins += ["null", "file://", "capacitor://localhost", "chrome-extension://aapbdbdo"]
    allowed = ["https://xn--bcher-kva.example", "https://www.shop.example", "http://[::1]:3000", *origins[3:]]
    refused = ["https://shop.example", "https://evilshop.example", "http://[::1]", "http://localhost", "file:///x"]
    store = MemoryStore([Source("pages", "all kinds of pages", origins=tuple(checked_origins(origins)))])
    requests: list[dict[str, Any]] = [
        {"json": payload(f"s{number}", source="pages"), "headers": {"origin": origin}}
        for number, origin in enumerate([*allowed, *refused])
    ]
    preflights = [
        {"method": "OPTIONS", "headers": request["headers"] | {"access-control-request-method": "POST"}}
        for request in requests
    ]

    answers = await ask(*requests, *preflights, store=store)

    expected = [200] * len(allowed) + [403] * len(refused) + [200] * len(preflights)
    assert [answer.status_code for answer in answers] == expected
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == answer.request.headers["origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"


async def test_413_for_a_body_over_the_limit() -> None:
    assert "1048576 bytes" in await refusal(413, {"content": b" " * (1_048_576 + 1), "headers": JSON})


async def test_413_for_chunks_over_the_limit() -> None:
    async def chunks() -> Any:
        for _ in range(17):
            yield b" " * 65_536

    assert "1048576 bytes" in await refusal(413, {"content": chunks(), "headers": JSON})


async def test_413_for_a_gzip_body_that_decodes_to_more_than_the_limit() -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    assert len(bomb) < 100_000
    request = {"content": bomb, "headers": JSON | {"content-encoding": "gzip"}}
    assert "1048576 bytes" in await refusal(413, request)


async def test_413_for_too_many_events() -> None:
    assert "1000 a call" in await refusal(413, {"json": payload("s", *["page-view"] * 1_001)})


async def test_413_for_json_nested_too_deep() -> None:
    deep: Any = "x"
    for _ in range(62):
        deep = [deep]
    assert "64 levels" in await refusal(413, {"json": payload("s", context={"a": [deep]})})
    [answer] = await ask({"json": payload("s", context={"a": deep})})
    assert answer.status_code == 200


async def test_415_for_another_encoding() -> None:
    assert "`br`" in await refusal(415, {"content": b"{}", "headers": JSON | {"content-encoding": "br"}})


async def test_415_for_another_content_type() -> None:
    assert "`text/xml`" in await refusal(415, {"content": b"<a/>", "headers": {"content-type": "text/xml"}})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'{"a": NaN}', b'{"a": "\xff"}', b'{"a": "\\ud80"}', b"[]", b"null", b"\x00"],
)
async def test_422_for_a_body_that_is_not_a_json_object(body: bytes) -> None:
    [fault] = await refusal(422, {"content": body, "headers": JSON})
    assert fault["loc"] == ["body"]
    assert set(fault) == {"loc", "msg", "type"}


async def test_422_names_all_faults_at_once() -> None:
    body = {
        "source": {"id": " "},
        "session": {"id": True},
        "profile": "p",
        "context": "c",
        "events": [{"type": "ok"}, {"type": 1, "id": "x" * 256, "properties": ["p"]}, {}, "e"],
    }
    assert [fault["loc"] for fault in await refusal(422, {"json": body})] == [
        ["body", "source", "id"],
        ["body", "session", "id"],
        ["body", "profile"],
        ["body", "events", 1, "type"],
        ["body", "events", 1, "id"],
        ["body", "events", 1, "properties"],
        ["body", "events", 2, "type"],
        ["body", "events", 3],
        ["body", "context"],
    ]


async def test_422_for_a_number_that_json_cannot_hold_names_its_place() -> None:
    body = json.dumps(payload("s", "a")).replace('"type": "a"', '"type": "a", "properties": {"n": 1e999}')
    [fault] = await refusal(422, {"content": body, "headers": JSON})
    assert fault["loc"] == ["body", "events", 0, "properties"]


async def test_429_over_the_rate_limit_of_a_source() -> None:
    call = {"json": payload("s", source="slow")}
    assert "rate limit" in await refusal(429, call, call)


@pytest.mark.parametrize(("calls", "events", "which"), [(1, 0, "more calls"), (0, 1, "more events")])
async def test_429_over_the_limit_of_a_client_names_it_and_other_clients_pass(
    calls: int, events: int, which: str
) -> None:
    settings = Settings(limits=Limits(client_calls_per_s=calls, client_events_per_s=events))
    addresses = [*["2001:db8::1", "2001:db8::2"] * 8, "2001:db8:0:1::1"]
    requests = [{"json": payload("s", "t"), "headers": {"x-forwarded-for": address}} for address in addresses]
    *flood, other = await ask(*requests, settings=settings)
    assert [answer.status_code for answer in flood[:10]] == [200] * 10
    assert (flood[-1].status_code, flood[-1].headers["retry-after"]) == (429, "1")
    assert which in flood[-1].json()["detail"]
    assert other.status_code == 200


async def test_one_visitor_does_not_shut_out_the_others_of_a_source_by_default() -> None:
    addresses = ["203.0.113.1"] * 3 + ["203.0.113.2"]
    calls = [{"json": payload("s", source="slow"), "headers": {"x-forwarded-for": each}} for each in addresses]
    assert [answer.status_code for answer in await ask(*calls)] == [200, 429, 429, 200]


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-for": "127.0.0.1"}, {"x-forwarded-for": "203.0.113.9"}])
async def test_an_office_behind_one_address_and_programs_on_this_machine_are_not_limited_by_default(
    headers: dict[str, str],
) -> None:
    requests = [{"json": payload(f"s-{n}", *["t"] * 20), "headers": headers} for n in range(50)]
    assert {answer.status_code for answer in await ask(*requests)} == {200}


@pytest.mark.parametrize(
    ("method", "url", "status"), [("GET", "/nothing", 404), ("POST", "/tracker/", 404), ("GET", "/track", 405)]
)
async def test_404_for_unknown_paths_and_405_for_other_methods(method: str, url: str, status: int) -> None:
    assert isinstance(await refusal(status, {"method": method, "url": url}), str)


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", "/track", "OPTIONS, POST"),
        ("PATCH", "/event-sources", "GET, HEAD, OPTIONS"),
        ("POST", "/event-source/a/b", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("PATCH", "/profile/x", "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE", "/profile/x/events", "GET, HEAD, OPTIONS"),
        ("DELETE", "/profile/count", "GET, HEAD, OPTIONS"),
    ],
)
async def test_405_names_all_methods_of_the_path_and_no_others(method: str, url: str, allowed: str) -> None:
    [answer] = await ask({"method": method, "url": url})
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_bytes_that_are_not_http_are_answered_in_the_same_format() -> None:
    async with serving(MemoryStore(SOURCES)) as client, connected(str(client.base_url)) as connection:
        answer = await connection.ask(b"this is not HTTP\r\n\r\n")

    assert answer.status == 400
    assert b"content-type: application/json" in answer.head
    assert set(answer.json()) == {"detail"}
