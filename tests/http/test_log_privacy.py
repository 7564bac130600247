"""The log has no value that a client sent: hostile requests to the application on a real socket, at level debug."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.raw_http import connected
from tests.support.serving import serving
from trackd.config.settings import Limits, Server, Settings
from trackd.core.documents import Source
from trackd.core.rules.compiling import compile_rules
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.telemetry import rate_limited_log
from trackd.telemetry.logs import make_handler

EMAIL, CARD, PHONE = "ann@example.com", "4111-1111-1111-1111", "+4712345678"
SECRETS = (EMAIL, "ann%40example.com", CARD, CARD.replace("-", ""), PHONE, "trackd_secret")
SCHEMA = {
    "type": "object",
    "properties": {"email": {"type": "number"}, "card": {"enum": ["none"]}, "address": {"type": "object"}},
    "additionalProperties": {"type": "object", "additionalProperties": {"type": "boolean"}},
}
RULES = {
    "event": {"order": {"schema": SCHEMA}},
    "validation": {"refuse": [SOURCE_ID]},
    "rule": [
        {
            "name": "cel",
            "event": "cel",
            "when": "double(event.properties.email) > 1.0",
            "steps": [{"target": "traits.public.a", "value": 1}],
        }
    ],
}
Log = Callable[[], str]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """The lines of the server's own handler, at level debug and without a limit on their rate."""
    monkeypatch.setattr(rate_limited_log, "EVERY_S", 0.0)
    stream, root, own = io.StringIO(), logging.getLogger(), logging.getLogger("trackd")
    handler = make_handler(stream, text=False)
    root.addHandler(handler)
    own.setLevel(logging.DEBUG)
    yield stream.getvalue
    root.removeHandler(handler)
    own.setLevel(logging.NOTSET)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", origins=("https://shop.example",)))
        sources.add(Source("lenient", "test"))
    return SqliteStore(path)


def calls() -> list[dict[str, Any]]:
    """Bodies of calls, each refused or with a fault, with values of a person in every place."""
    bad = {"email": EMAIL, "card": CARD, "address": PHONE, EMAIL: 1, CARD: {PHONE: EMAIL}}
    order = {"type": "order", "properties": bad, "context": {EMAIL: CARD}}
    return [
        payload("s", events=[order]),
        payload("s", events=[{"type": "order", "properties": {EMAIL: CARD, CARD: {PHONE: EMAIL}}}]),
        payload("s", source="lenient", events=[order, {"type": "cel", "properties": bad}]),
        payload("s", source=EMAIL),
        payload("s", source=CARD),
        payload(PHONE, source=CARD.replace("-", "")),
        payload("s", source="trackd_secret of a token"),
        payload("s", events=[{"type": EMAIL * 30, "id": EMAIL * 30}]),
        payload("s", events=[{"type": {EMAIL: CARD}, "properties": EMAIL, "context": [EMAIL], "id": [EMAIL]}]),
        payload("s", profile=EMAIL * 30),
        payload("'anonymous'", context={"email": EMAIL}),
        {EMAIL: CARD},
        {"source": EMAIL, "session": CARD, "events": {EMAIL: CARD}, "profile": PHONE},
    ]


def odd_requests() -> list[tuple[str, str, dict[str, Any]]]:
    body = json.dumps(payload(EMAIL, "t"))
    headers: list[dict[str, str]] = [
        {"content-type": f"text/{EMAIL}"},
        {"content-type": f"application/json; charset={EMAIL}"},
        {"content-encoding": EMAIL},
        {"idempotency-key": EMAIL * 30},
        {"origin": f"https://{EMAIL}"},
        {"origin": "https://ann%40example.com.shop.example"},
        {"x-timestamp": EMAIL, "user-agent": EMAIL, "referer": f"https://shop.example/?email={EMAIL}"},
    ]
    json_body = {"content-type": "application/json"}
    return [
        *[("POST", "/track", {"content": body, "headers": {**json_body, **each}}) for each in headers],
        ("POST", "/track", {"content": f'{{"email": "{EMAIL}"'}),
        ("POST", "/track", {"content": f'{{"email": NaN, "{EMAIL}": 1}}'}),
        ("POST", "/track", {"content": b'{"' + EMAIL.encode() + b'\xff": 1}'}),
        ("POST", "/track", {"data": {EMAIL: CARD}}),
        ("POST", f"/track?email={EMAIL}", {"json": payload("s", source=EMAIL)}),
        ("GET", f"/nothing/{EMAIL}?email={EMAIL}", {}),
        ("PUT", f"/profile/{EMAIL}", {}),
        ("GET", f"/profile/{EMAIL}", {}),
        ("GET", f"/profile/{EMAIL * 30}", {}),
        ("GET", f"/profiles?email={EMAIL}", {}),
        ("GET", f"/profiles?{EMAIL}", {}),
        ("GET", f"/profiles?pii={EMAIL}", {}),
        ("GET", f"/profiles?segment={EMAIL}", {}),
        ("GET", f"/profiles?trait=%22{EMAIL}", {}),
        ("GET", f"/profiles?seen_after={EMAIL}&limit={CARD}&cursor={CARD}", {}),
        ("GET", f"/events?type={EMAIL * 30}&status={CARD}", {}),
        ("DELETE", f"/profile/x?keep={EMAIL}", {}),
        ("POST", "/event-source", {"json": {"id": EMAIL, "name": CARD, EMAIL: CARD, "origins": [EMAIL]}}),
        ("POST", "/event-source", {"json": {"id": SOURCE_ID, "name": EMAIL}}),
        ("PATCH", f"/event-source/{SOURCE_ID}", {"json": {"id": EMAIL, "rate_limit": CARD}}),
        ("PUT", f"/event-source/{SOURCE_ID}", {"json": {"name": EMAIL}}),
        ("GET", "/profiles", {"headers": bearer("trackd_secret")}),
        ("GET", "/profiles?token=trackd_secret", {"headers": {"authorization": "Basic trackd_secret"}}),
    ]


async def test_no_refusal_logs_a_value_of_a_client(store: SqliteStore, log: Log) -> None:
    rules = compile_rules(RULES, Limits())
    statuses = set()
    async with serving(store, Settings(server=Server(drain_ms=0)), rules=rules, admin=True) as client:
        for call in calls():
            for browser in ({}, {"origin": "https://shop.example"}):
                statuses.add((await client.post("/track", json=call, headers=browser)).status_code)
        for method, url, arguments in odd_requests():
            statuses.add((await client.request(method, url, **arguments)).status_code)
    lines = [re.sub(r" \((source|from) .*", "", json.loads(line)["message"]) for line in log().splitlines()]

    assert statuses >= {200, 401, 403, 404, 405, 409, 415, 422}
    assert len(lines) > 40
    assert [secret for secret in SECRETS if secret in log()] == []
    place = "body.events.0.properties"
    known = ", ".join(f"{place}.{name}: json_schema" for name in ("email", "card", "address"))
    assert {line for line in lines if "json_schema" in line} == {
        f"refused with 422, invalid: {known}, and 2 more",
        f"refused with 422, invalid: {place}.*: json_schema, {place}.*.*: json_schema",
    }
    assert "refused with 401, unknown source: Invalid event source `...`." in lines
    assert "refused with 422, invalid: query.*: extra_forbidden" in lines
    assert (
        "refused with 422, invalid: query.cursor: int_parsing, query.limit: int_parsing, query.seen_after: value_error"
        in lines
    )


RAW = [
    b"%s\r\n\r\n",
    b"GET http://%s:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://%s HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT %s:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /?email=%s HTTP/9.%s\r\n\r\n",
    b"GET /?email=%s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: %s %s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: %s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n%s: %s\x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n",
    b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %s\r\n\r\n",
    b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    b"GET /profile/%s HTTP/1.1\r\nHost: x\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n",
    b"GET /%s" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
]


async def test_no_refusal_of_a_connection_logs_a_value_of_a_client(log: Log) -> None:
    async with serving(FaultyStore(), Settings(server=Server(drain_ms=0))) as client:
        for sent in RAW:
            async with connected(str(client.base_url)) as connection:
                await connection.send(sent.replace(b"%s", EMAIL.encode()))
                connection.half_close()
                await connection.rest()
    assert len(log().splitlines()) >= len(RAW) // 2
    assert [secret for secret in SECRETS if secret in log()] == []


@pytest.mark.parametrize("failing", ["profile", "tokens", "commit"])
async def test_no_fault_logs_a_value_of_a_client(log: Log, failing: str) -> None:
    store = FaultyStore([Source(SOURCE_ID, "test")], fail={failing: KeyError(EMAIL)})
    async with serving(store, Settings(server=Server(drain_ms=0)), admin=failing != "tokens") as client:
        answers = [
            await client.post("/track", json=payload("s", "t", profile=EMAIL)),
            await client.post("/track", json=payload("s", "t"), headers={"origin": "https://shop.example"}),
            await client.get("/profile/x", headers=bearer("trackd_secret") if failing == "tokens" else {}),
        ]
    assert {answer.status_code for answer in answers} & {500, 503}
    assert "KeyError" in log()
    assert [secret for secret in SECRETS if secret in log()] == []
