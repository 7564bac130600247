"""Contract 2.6, row by row: every answer that is not 200, over a real socket."""

import asyncio
import gzip
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits, Server, Settings
from trackd.core.changes import Changes, Outcome
from trackd.core.documents import Session, Source
from trackd.http.app import create_app
from trackd.http.authentication import Authenticator
from trackd.http.server.server import Server as HttpServer
from trackd.http.server.server import listen
from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store
from trackd.storage.workers.query_pool import QueryThreads

SOURCES = (
    Source(SOURCE_ID, "test"),
    Source("off", "disabled", enabled=False),
    Source("shop", "browsers of one shop", origins=("https://shop.example",)),
    Source("slow", "one call in a thousand seconds", rate_limit=0.001),
)
JSON = {"content-type": "application/json"}


async def ask(
    *requests: dict[str, Any], store: Store | None = None, settings: Settings | None = None
) -> list[httpx.Response]:
    """Answers to requests, one after the other; each is the arguments of `client.request`."""

    async with serving(store or MemoryStore(SOURCES), settings) as client:
        answers = [await client.request(**{"method": "POST", "url": "/track", **request}) for request in requests]
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        assert float(answer.headers["x-process-time"]) >= 0
        assert "origin" in answer.headers["vary"].lower()
    return answers


async def refusal(status: int, *requests: dict[str, Any], **more: Any) -> Any:
    """The `detail` of the last answer, which has the one shape of all errors."""
    answer = (await ask(*requests, **more))[-1]
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"detail"}
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return answer.json()["detail"]


async def test_401_for_an_unknown_source() -> None:
    assert await refusal(401, {"json": payload("s", source="who")}) == "Invalid event source `who`."


async def test_401_for_a_disabled_source() -> None:
    assert await refusal(401, {"json": payload("s", source="off")}) == "Event source disabled."


async def test_403_for_a_foreign_origin() -> None:
    request = {"json": payload("s", source="shop"), "headers": {"origin": "https://thief.example"}}
    assert "https://thief.example" in await refusal(403, request)


@pytest.mark.parametrize("headers", [{}, {"origin": "https://shop.example"}])
async def test_its_own_origin_and_callers_that_are_no_browser_may_send(headers: dict[str, str]) -> None:
    [answer] = await ask({"json": payload("s", source="shop"), "headers": headers})
    assert answer.status_code == 200


async def test_413_for_a_body_over_the_limit() -> None:
    assert "1048576 bytes" in await refusal(413, {"content": b" " * (1_048_576 + 1), "headers": JSON})


async def test_413_for_chunks_over_the_limit() -> None:
    async def chunks() -> Any:
        for _ in range(17):
            yield b" " * 65_536

    assert "1048576 bytes" in await refusal(413, {"content": chunks(), "headers": JSON})


async def test_413_for_what_unpacks_to_more_than_the_limit() -> None:
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
    [b"", b"{", b"nonsense", b'{"a": NaN}', b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"[]", b"null", b"\x00"],
)
async def test_422_for_what_is_no_json_object(body: bytes) -> None:
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


async def test_422_for_a_number_that_no_json_can_say_names_its_place() -> None:
    body = json.dumps(payload("s", "a")).replace('"type": "a"', '"type": "a", "properties": {"n": 1e999}')
    [fault] = await refusal(422, {"content": body, "headers": JSON})
    assert fault["loc"] == ["body", "events", 0, "properties"]


async def test_429_over_the_rate_limit_of_a_source() -> None:
    call = {"json": payload("s", source="slow")}
    assert "rate limit" in await refusal(429, call, call)


class FailingStore(MemoryStore):
    """Fails each commit that holds an event of a type, and each read of a session of an id."""

    def __init__(self) -> None:
        super().__init__(SOURCES)
        self.commits = 0

    def commit(self, batch: Sequence[Changes]) -> list[Outcome]:
        self.commits += 1
        if any(event.type == "disk-full" for changes in batch for event in changes.events):
            raise StoreError("database or disk is full")
        return super().commit(batch)

    def session(self, session_id: str) -> Session | None:
        if session_id == "fault":
            raise RuntimeError("a fault of ours, with /a/secret/path")
        return super().session(session_id)


async def test_503_when_the_disk_refuses_and_nothing_is_half_kept() -> None:
    store = FailingStore()
    good, bad = {"json": payload("s", "page-view")}, {"json": payload("s", "page-view", "disk-full")}
    answers = await ask(good, bad, good, store=store)
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert [answer.json()["debugging"]["events"]["seq"] for answer in (answers[0], answers[2])] == [[1], [2]]
    [profile] = store.profiles.values()
    assert profile.doc["stats"]["counters"] == {"page-view": 2}


async def test_503_from_ready_while_the_disk_refuses_and_200_when_it_is_well_again() -> None:
    async with serving(FailingStore()) as client:
        statuses = [(await client.get("/ready")).status_code]
        await client.post("/track", json=payload("s", "disk-full"))
        statuses.append((await client.get("/ready")).status_code)
        while (await client.get("/ready")).status_code != 200:
            pass

    assert statuses == [200, 503]


async def test_503_when_too_many_calls_wait() -> None:
    settings = Settings(limits=Limits(max_queued_bytes=1024))
    assert "waiting" in await refusal(503, {"json": payload("s", context={"a": "x" * 2_000})}, settings=settings)


async def test_500_for_a_fault_of_ours_tells_nothing_of_it_and_others_notice_nothing() -> None:
    good, bad = {"json": payload("s", "page-view")}, {"json": payload("fault", "page-view")}
    answers = await ask(good, bad, good, store=FailingStore())
    assert [answer.status_code for answer in answers] == [200, 500, 200]
    assert answers[1].json() == {"detail": "The server failed on this call; nothing of it was stored."}
    assert answers[2].json()["debugging"]["events"]["seq"] == [2]


class FaultyTracker(Tracker):
    @property
    def ready(self) -> bool:
        raise RuntimeError("a fault of ours, with /a/secret/path")

    def next_number(self) -> int:
        raise RuntimeError("a fault of ours, with /a/secret/path")


@pytest.mark.parametrize(("method", "url"), [("GET", "/ready"), ("POST", "/track")])
async def test_500_for_a_fault_outside_the_actors_has_the_same_shape_and_headers(method: str, url: str) -> None:
    store = MemoryStore()
    lists = QueryThreads(cast(Listings, None))
    app = create_app(
        Settings(), FaultyTracker(store), Authenticator(store.tokens), store, cast(Listings, None), lists, {}
    )
    transport = httpx.ASGITransport(app.asgi, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, url, json=payload("s"), headers={"origin": "https://shop.example"})
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "x-process-time" in answer.headers


class HangingStore(MemoryStore):
    """A disk that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__(SOURCES)
        self.committing = threading.Event()
        self.let_go = threading.Event()

    def commit(self, batch: Sequence[Changes]) -> list[Outcome]:
        self.committing.set()
        self.let_go.wait()
        return super().commit(batch)


async def test_503_for_calls_that_a_hanging_disk_holds_up_when_the_server_stops() -> None:
    store = HangingStore()

    try:
        settings = Settings(server=Server(stop_timeout_s=1, drain_ms=0))
        tracker = Tracker(store, settings.actors, settings.limits)
        listening = listen("127.0.0.1", 0)
        lists = QueryThreads(cast(Listings, None))
        app = create_app(settings, tracker, Authenticator(store.tokens), store, cast(Listings, None), lists, {})
        server = HttpServer(app, settings.server, tracker.refuse_calls)
        serving = asyncio.create_task(server.serve([listening]))
        url = "http://{}:{}/track".format(*listening.getsockname())
        async with httpx.AsyncClient(timeout=30) as client:
            call = asyncio.create_task(client.post(url, json=payload("s", "page-view")))
            await asyncio.to_thread(store.committing.wait)
            server.should_exit = True
            answer = await call
        await serving
        assert not tracker.writer_ended

    finally:
        store.let_go.set()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"detail": "The server is stopping: send this call again later."}


@pytest.mark.parametrize(
    ("method", "url", "status"), [("GET", "/nothing", 404), ("POST", "/track/", 404), ("GET", "/track", 405)]
)
async def test_404_and_405_as_usual(method: str, url: str, status: int) -> None:
    assert isinstance(await refusal(status, {"method": method, "url": url}), str)


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", "/track", "POST"),
        ("PATCH", "/event-source", "GET, HEAD, POST"),
        ("POST", "/event-source/a/b", "DELETE, GET, HEAD, PUT"),
        ("OPTIONS", "/profile/x", "DELETE, GET, HEAD"),
        ("DELETE", "/profile/x/events", "GET, HEAD"),
        ("DELETE", "/profile/count", "GET, HEAD"),
    ],
)
async def test_405_names_all_methods_of_the_path_and_of_no_other(method: str, url: str, allowed: str) -> None:
    [answer] = await ask({"method": method, "url": url})
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_what_is_not_http_is_answered_in_the_same_shape() -> None:
    async with serving(MemoryStore(SOURCES)) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"this is not HTTP\r\n\r\n")
        answer = await reader.read()
        writer.close()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert set(json.loads(body)) == {"detail"}


async def test_one_bad_call_never_fails_another_of_its_batch(tmp_path: Path) -> None:
    file = tmp_path / "trackd.db"
    store = SqliteStore(file)
    execute(file, "INSERT INTO source VALUES (?, '', '', 1, 0, 0, 0, '[]', NULL, '[]', '', '')", SOURCE_ID)
    execute(
        file,
        "CREATE TRIGGER bad BEFORE INSERT ON event WHEN new.type = 'bad' BEGIN SELECT RAISE(ABORT, 'bad row'); END",
    )

    async with serving(store) as client:
        calls = [payload(f"s-{n}", "bad" if n % 4 == 0 else "good") for n in range(40)]
        result = await asyncio.gather(*(client.post("/track", json=call) for call in calls))
    statuses = [answer.status_code for answer in result]
    assert statuses == [503 if n % 4 == 0 else 200 for n in range(40)]
    assert rows(tmp_path / "trackd.db", "SELECT count(*) AS n FROM event WHERE type = 'good'") == [{"n": 30}]
    assert rows(tmp_path / "trackd.db", "SELECT count(*) AS n FROM profile") == [{"n": 30}]
