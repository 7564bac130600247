"""Lists that are read elsewhere: in threads and in a process, the same tests for both."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.storage.conftest import Make, SqliteShelf
from trackd.storage.errors import StoreError
from trackd.storage.listings import EventFilter, PageRequest, ProfileFilter
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.workers.main import READER, command
from trackd.storage.workers.query_pool import QueryProcess, QueryThreads

DEAF = """
import os, sys, time
from trackd.storage.workers.framing import framed, read_frame
os.write(1, framed(b""))
read_frame(sys.stdin.buffer)
"""


@pytest.fixture
def listings(sqlite_shelf: SqliteShelf) -> Iterator[Any]:
    with contextlib.closing(SqliteListings(sqlite_shelf.path)) as listings:
        yield listings


@pytest.fixture(scope="module")
def anyio_backend() -> Any:
    """The server runs on uvloop."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(params=["threads", "process"])
def lists(request: pytest.FixtureRequest, sqlite_shelf: SqliteShelf, listings: SqliteListings) -> Callable[..., Any]:
    """Makes them; inside the loop."""
    if request.param == "threads":
        return lambda: QueryThreads(listings)
    return lambda: QueryProcess(command(READER, sqlite_shelf.path, "FULL", "info", "text"))


async def play(make_lists: Callable[..., Any], story: Callable[..., Any]) -> Any:
    lists = make_lists()
    try:
        return await story(lists)
    finally:
        await lists.close()


async def test_each_list_is_the_one_of_the_listings(
    lists: Callable[..., Any], listings: SqliteListings, sqlite_shelf: SqliteShelf, make: type[Make]
) -> None:
    sqlite_shelf.store.commit([make.change("A", events=3, session="S", segments=["x"], traits={"public": {"é": 1}})])
    reads = [
        ("profile_events", "A", PageRequest(limit=2)),
        ("profile_events", "nobody", PageRequest()),
        ("profile_sessions", "A", PageRequest(cursor=5)),
        ("session_events", "S", PageRequest()),
        ("events", EventFilter(type="t", after="2020-01-01T00:00:00.000000Z"), PageRequest()),
        ("events", EventFilter(status="other"), PageRequest()),
        ("profiles", ProfileFilter(segment="x"), PageRequest()),
        ("profiles", ProfileFilter(trait=("é",), value="1"), PageRequest()),
        ("count", "event"),
    ]

    async def story(lists: QueryProcess | QueryThreads) -> list[Any]:
        return [await lists.read(*read) for read in reads]

    found = await play(lists, story)

    assert found == [getattr(listings, name)(*arguments) for name, *arguments in reads]
    assert json.loads(found[0].documents)[0]["seq"] == 3
    assert found[1] is None
    assert found[-1] == 3


async def test_what_cannot_be_read_is_an_error_and_the_next_list_is_read(
    lists: Callable[..., Any], sqlite_shelf: SqliteShelf
) -> None:
    async def story(lists: QueryProcess | QueryThreads) -> int:
        sqlite_shelf.db.execute("ALTER TABLE profile RENAME TO elsewhere")
        with pytest.raises(StoreError, match="cannot read: no such table"):
            await lists.read("count", "profile")
        sqlite_shelf.db.execute("ALTER TABLE elsewhere RENAME TO profile")
        return await lists.read("count", "profile")

    assert await play(lists, story) == 0


async def test_many_at_once_each_get_their_own(
    lists: Callable[..., Any], sqlite_shelf: SqliteShelf, make: type[Make]
) -> None:
    sqlite_shelf.store.commit([make.change(f"P{n}", events=n) for n in range(20)])

    async def story(lists: QueryProcess | QueryThreads) -> list[int]:
        pages = await asyncio.gather(*(lists.read("profile_events", f"P{n}", PageRequest()) for n in range(20)))
        return [len(json.loads(page.documents)) for page in pages]

    assert await play(lists, story) == list(range(20))


async def test_no_process_is_started_before_the_first_list(sqlite_shelf: SqliteShelf) -> None:
    async def story(lists: QueryProcess) -> tuple[None, int]:
        before = lists._process.pid
        await lists.read("count", "event")
        return before, lists._process.pid

    before, after = await play(lambda: QueryProcess(command(READER, sqlite_shelf.path, "FULL", "info", "text")), story)

    assert before is None
    assert after > 0


async def test_a_list_whose_process_is_killed_is_an_error_and_the_next_ones_are_read(sqlite_shelf: SqliteShelf) -> None:
    deaf = [sys.executable, "-c", DEAF + "time.sleep(60)"]

    async def story(lists: QueryProcess) -> int:
        asked = asyncio.create_task(lists.read("count", "event"))
        while lists._process.pid is None or not lists._pending:
            await asyncio.sleep(0)
        lists._process._command = command(READER, sqlite_shelf.path, "FULL", "info", "text")
        os.kill(lists._process.pid, signal.SIGKILL)
        with pytest.raises(StoreError, match="the reader process was ended by SIGKILL"):
            await asked
        while True:
            try:
                return await lists.read("count", "event")
            except StoreError:
                await asyncio.sleep(0.01)

    assert await play(lambda: QueryProcess(deaf), story) == 0


async def test_a_process_that_does_not_start_is_an_error_each_time(tmp_path: Path) -> None:
    async def story(lists: QueryProcess) -> None:
        for _ in range(2):
            with pytest.raises(StoreError, match="unable to open"):
                await lists.read("count", "event")

    await play(lambda: QueryProcess(command(READER, tmp_path / "missing.db", "FULL", "info", "text")), story)


async def test_an_answer_that_is_none_ends_the_process(sqlite_shelf: SqliteShelf) -> None:
    babbling = [sys.executable, "-c", DEAF + "os.write(1, framed(b'not an answer')); time.sleep(60)"]

    async def story(lists: QueryProcess) -> None:
        with pytest.raises(StoreError, match="was ended by SIGKILL"):
            await lists.read("count", "event")

    await play(lambda: QueryProcess(babbling), story)
