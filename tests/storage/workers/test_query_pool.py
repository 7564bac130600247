"""Both kinds of query pool, threads and a process: the same tests for both, and those of the process alone."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.stores import SqliteBackend, existing
from trackd.storage.errors import StoreError
from trackd.storage.listings import EventFilter, PageRequest, ProfileFilter, QueryPool
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.workers import query_pool
from trackd.storage.workers.main import READER, command
from trackd.storage.workers.query_pool import MAX_SHORT, THREADS, QueryProcess, QueryThreads

# A process that is ready, reads one query, and does not answer it.
SILENT = """
import os, sys, time
from trackd.storage.workers.framing import framed, read_frame
os.write(1, framed(b""))
read_frame(sys.stdin.buffer)
"""


def reader(path: Path) -> list[str]:
    return command(READER, path, "FULL", "info", "text")


@pytest.fixture(params=["threads", "process"])
async def pool(
    request: pytest.FixtureRequest, sqlite_backend: SqliteBackend, listings: SqliteListings
) -> AsyncIterator[QueryPool]:
    pool = QueryThreads(listings) if request.param == "threads" else QueryProcess(reader(sqlite_backend.path))
    yield pool
    await pool.close()


@asynccontextmanager
async def closing(pool: QueryProcess) -> AsyncIterator[QueryProcess]:
    try:
        yield pool
    finally:
        await pool.close()


async def test_a_pool_returns_the_results_of_the_listings(
    pool: QueryPool, listings: SqliteListings, sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", events=3, session="S", segments=["x"], traits={"public": {"é": 1}})])
    reads: list[tuple[str, tuple[Any, ...]]] = [
        ("profile_events", ("A", PageRequest(limit=2))),
        ("profile_events", ("unknown", PageRequest())),
        ("profile_ids", ("", 10, False)),
        ("profile_ids", ("A", 10, True)),
        ("segment_members", ()),
        ("profile_sessions", ("A", PageRequest(cursor=5))),
        ("session_events", ("S", PageRequest())),
        ("events", (EventFilter(type="t", after="2020-01-01T00:00:00.000000Z"), PageRequest())),
        ("events", (EventFilter(status="other"), PageRequest())),
        ("profiles", (ProfileFilter(segment="x"), PageRequest())),
        ("profiles", (ProfileFilter(trait=("é",), value="1"), PageRequest())),
        ("count", ("event",)),
    ]

    results = [await pool.read(name, *arguments) for name, arguments in reads]

    assert results == [getattr(listings, name)(*arguments) for name, arguments in reads]
    assert json.loads(results[0].documents)[0]["seq"] == 3
    assert results[1] is None
    assert results[-1] == 3


async def test_a_read_that_fails_is_an_error_and_the_next_one_succeeds(
    pool: QueryPool, sqlite_backend: SqliteBackend
) -> None:
    sqlite_backend.db.execute("ALTER TABLE profile RENAME TO elsewhere")
    with pytest.raises(StoreError, match="cannot read: no such table"):
        await pool.read("count", "profile")

    sqlite_backend.db.execute("ALTER TABLE elsewhere RENAME TO profile")
    assert await pool.read("count", "profile") == 0


async def test_each_of_many_reads_at_once_gets_its_own_result(
    pool: QueryPool, sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change(f"P{n}", events=n) for n in range(20)])

    pages = await asyncio.gather(*(pool.read("profile_events", f"P{n}", PageRequest()) for n in range(20)))

    assert [len(json.loads(page.documents)) for page in pages] == list(range(20))


async def test_no_process_is_started_before_the_first_list(sqlite_backend: SqliteBackend) -> None:
    async with closing(QueryProcess(reader(sqlite_backend.path))) as pool:
        assert pool._process.pid is None
        await pool.read("count", "event")
        assert existing(pool._process.pid) > 0


async def test_a_read_whose_process_is_killed_is_an_error_and_later_ones_succeed(
    sqlite_backend: SqliteBackend,
) -> None:
    async with closing(QueryProcess([sys.executable, "-c", SILENT + "time.sleep(60)"])) as pool:
        reading = asyncio.create_task(pool.read("count", "event"))
        await eventually(lambda: pool._process.pid is not None and pool._pending, "a query is sent")
        pool._process._command = reader(sqlite_backend.path)
        os.kill(existing(pool._process.pid), signal.SIGKILL)
        with pytest.raises(StoreError, match="the reader process was ended by SIGKILL"):
            await reading

        async def count() -> list[int]:
            try:
                return [await pool.read("count", "event")]
            except StoreError:
                return []

        counts: list[int] = await eventually(count, "a list is read")
        assert counts == [0]


async def test_a_process_that_does_not_start_is_an_error_each_time(tmp_path: Path) -> None:
    async with closing(QueryProcess(reader(tmp_path / "missing.db"))) as pool:
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be reached"):
                await pool.read("count", "event")


async def test_a_frame_that_is_not_an_answer_ends_the_process() -> None:
    babbling = [sys.executable, "-c", SILENT + "os.write(1, framed(b'not an answer')); time.sleep(60)"]
    async with closing(QueryProcess(babbling)) as pool:
        with pytest.raises(StoreError, match="was ended by SIGKILL"):
            await pool.read("count", "event")


async def test_a_read_that_is_not_answered_in_time_is_an_error() -> None:
    async with closing(QueryProcess([sys.executable, "-c", SILENT + "sys.stdin.read()"], timeout_s=0.05)) as pool:
        with pytest.raises(StoreError, match=r"the reader process gave no answer within 0\.05 s"):
            await pool.read("count", "event")
        assert (pool._others.running, pool._others.waiting) == (1, 0)  # the process is still busy with it


async def test_a_process_has_few_queries_at_once_and_short_ones_wait_for_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_pool, "MAX_WAITING", 6)
    async with closing(QueryProcess([sys.executable, "-c", SILENT + "time.sleep(60)"])) as pool:
        reads = [asyncio.create_task(pool.read("count", "event")) for _ in range(10)]
        await eventually(lambda: pool._others.waiting == 6, "queries wait")
        assert (pool._others.running, len(pool._pending)) == (THREADS, THREADS)
        with pytest.raises(StoreError, match="6 lists are waiting to be read"):
            await pool.read("count", "event")

        reads += [asyncio.create_task(pool.read("profile_events", "A", PageRequest())) for _ in range(5)]
        await eventually(lambda: pool._short.waiting == 3, "short queries wait")
        assert len(pool._pending) == THREADS + MAX_SHORT

        for read in reads:
            read.cancel()
        await asyncio.wait(reads)
        assert pool._others.waiting == pool._short.waiting == 0
        os.kill(existing(pool._process.pid), signal.SIGKILL)
        await eventually(lambda: not pool._pending, "the turns of the ended process end")
        assert pool._others.running == pool._short.running == 0


async def test_a_paused_process_has_ended_and_is_started_again_for_the_next_list(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", events=3)])
    async with closing(QueryProcess(reader(sqlite_backend.path))) as pool:
        assert await pool.read("count", "event") == 3
        first = existing(pool._process.pid)
        await pool.pause()
        assert not Path(f"/proc/{first}").exists()
        with pytest.raises(StoreError, match="the file is closed"):
            await pool.read("count", "event")
        pool.resume()
        assert await pool.read("count", "event") == 3
        assert existing(pool._process.pid) != first
