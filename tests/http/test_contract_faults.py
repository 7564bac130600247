"""Contract 2.6: the answers when trackd or its disk fails, over a real socket."""

import asyncio
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.http.error_requests import SOURCES, ask, refusal
from tests.support.database import execute, rows
from tests.support.faulty_store import FaultyStore
from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import eventually
from tests.support.serving import serving
from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits, Server, Settings
from trackd.http.app import create_app
from trackd.http.authentication import Authenticator
from trackd.http.server.listening import listen
from trackd.http.server.server import Server as HttpServer
from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.query_pool import QueryThreads


async def test_503_when_the_disk_refuses_and_nothing_of_the_call_is_stored() -> None:
    store = FaultyStore(SOURCES)
    call = payload("s", "page-view")

    async with serving(store) as client:
        first = await client.post("/track", json=call)
        store.fail["commit"] = [StoreError("database or disk is full")]
        second = await client.post("/track", json=call)
        await eventually(lambda: not store.fail["commit"])
        third = await client.post("/track", json=call)

    assert [first.status_code, second.status_code, third.status_code] == [200, 503, 200]
    assert [answer.json()["debugging"]["events"]["seq"] for answer in (first, third)] == [[1], [2]]
    [profile] = store.profiles.values()
    assert profile.doc["stats"]["counters"] == {"page-view": 2}


async def test_503_from_ready_while_the_disk_refuses_and_200_once_it_works_again() -> None:
    store = FaultyStore(SOURCES, fail={"commit": [StoreError("database or disk is full")]})

    async with serving(store) as client:

        async def is_ready() -> bool:
            return (await client.get("/ready")).status_code == 200

        assert await is_ready()
        await client.post("/track", json=payload("s", "page-view"))
        assert (await client.get("/ready")).status_code == 503
        await eventually(is_ready, "ready")


async def test_503_when_too_many_calls_wait() -> None:
    settings = Settings(limits=Limits(max_queued_bytes=1024))
    assert "waiting" in await refusal(503, {"json": payload("s", context={"a": "x" * 2_000})}, settings=settings)


@pytest.mark.parametrize("headers", [{}, {"origin": "https://shop.example"}], ids=["fast path", "slow path"])
async def test_the_bytes_of_headers_count_among_those_of_calls_that_wait(headers: dict[str, str]) -> None:
    settings = Settings(limits=Limits(max_queued_bytes=1024))
    long = {"json": payload("s"), "headers": {**headers, "x-long": "x" * 900}}
    short = {"json": payload("s"), "headers": headers}

    answers = await ask(short, long, long, short, settings=settings)

    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]


async def test_500_for_a_fault_of_trackd_reveals_nothing_of_it_and_affects_no_other_call() -> None:
    good, bad = {"json": payload("s", "page-view")}, {"json": payload("fault", "page-view")}
    store = FaultyStore(SOURCES, fail={"fault": RuntimeError("a fault, with /a/secret/path")})

    answers = await ask(good, bad, good, store=store)

    assert [answer.status_code for answer in answers] == [200, 500, 200]
    assert answers[1].json() == {"detail": "The server failed on this call; nothing of it was stored."}
    assert answers[2].json()["debugging"]["events"]["seq"] == [2]


class FaultyTracker(Tracker):
    """Raises where an endpoint calls it."""

    @property
    def ready(self) -> bool:
        raise RuntimeError("a fault, with /a/secret/path")

    def next_number(self) -> int:
        raise RuntimeError("a fault, with /a/secret/path")


@pytest.mark.parametrize(("method", "url"), [("GET", "/ready"), ("POST", "/track")])
async def test_500_for_a_fault_outside_the_actors_has_the_same_format_and_headers(method: str, url: str) -> None:
    store = MemoryStore()
    no_listings = cast(Listings, None)
    app = create_app(
        Settings(),
        FaultyTracker(store),
        Authenticator(store.tokens),
        store,
        no_listings,
        QueryThreads(no_listings),
        {},
    )
    transport = httpx.ASGITransport(app.asgi, raise_app_exceptions=False)

    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30) as client:
        answer = await client.request(method, url, json=payload("s"), headers={"origin": "https://shop.example"})

    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "x-process-time" in answer.headers


async def test_503_for_calls_that_wait_for_a_hanging_disk_when_the_server_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FaultyStore(SOURCES, hold=True)
    settings = Settings(server=Server(stop_timeout_s=1, drain_ms=0))
    tracker = Tracker(store, settings.actors, settings.limits)
    no_listings = cast(Listings, None)
    app = create_app(settings, tracker, Authenticator(store.tokens), store, no_listings, QueryThreads(no_listings), {})
    server = HttpServer(app, settings.server, tracker.refuse_calls)
    [listening] = listen(["127.0.0.1"], 0)
    url = "http://{}:{}/track".format(*listening.getsockname())

    try:
        stopped = asyncio.create_task(server.serve([listening]))
        async with httpx.AsyncClient(timeout=30) as client:
            call = asyncio.create_task(client.post(url, json=payload("s", "page-view")))
            await eventually(store.committing.is_set)
            server.should_exit = True
            answer = await call
        await stopped
        assert not tracker.writer_ended
    finally:
        store.release()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"detail": "The server is stopping: send this call again later."}
    assert "the stop ends requests that take longer than server.stop_timeout_s" in caplog.messages


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
