"""Lookups in PostgreSQL find what reads by key find."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator

import pytest
import uvloop

from tests.support.cut_connection import cutting_proxy, silent_host
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.stepped_lookups import look_up
from tests.support.stores import PostgresBackend
from trackd.core.changes import Erasure, Fence
from trackd.storage.errors import StoreError
from trackd.storage.lookups import Loaded, Wanted
from trackd.storage.postgres import lookups
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.lookups import PostgresLookups

ODD = "a\0b\1c'\"\\\U0001f642"
ALL = Wanted(
    sessions={"S", "of merged", ODD, "none"},
    profiles={"A", "merged", "erased", "none"},
    events={("A", "own"), ("A", "unstored"), ("A", "none"), ("merged", "own"), ("none", "own")},
    owned={("S", "own"), ("of merged", "own"), (ODD, ODD), ("none", "own")},
    erased={"erased", "A", "none"},
)


class Waiting:
    """Lookups whose results a test awaits."""

    def __init__(self, url: str) -> None:
        self.lookups = PostgresLookups(url, lambda result: self._result.set_result(result))

    async def __call__(self, wanted: Wanted) -> Loaded | StoreError:
        self._result: asyncio.Future[Loaded | StoreError] = asyncio.get_running_loop().create_future()
        self.lookups.submit(wanted)
        return await self._result


@pytest.fixture
async def load(postgres_backend: PostgresBackend) -> AsyncIterator[Waiting]:
    waiting = Waiting(postgres_backend.url)
    yield waiting
    waiting.lookups.close()


def fill(backend: PostgresBackend, make: type[Make]) -> None:
    own = {"own": 1, "unstored": None}
    backend.store.commit(
        [
            make.change("A", events=1, session="S", event={"id": "own"}, event_ids=own),
            make.change("merged", session="of merged"),
            make.change(ODD, events=1, session=ODD, event={"id": ODD}, event_ids={ODD: 1}),
            make.change("erased"),
            Erasure(Fence("erased", 0, 1), make.now),
        ]
    )
    backend.merge("merged", "A")


async def test_a_lookup_finds_what_reads_by_key_find(
    postgres_backend: PostgresBackend, make: type[Make], load: Waiting
) -> None:
    fill(postgres_backend, make)

    found, expected = await load(ALL), look_up(postgres_backend.store, ALL)

    assert found == expected
    assert isinstance(found, Loaded)
    assert [known is not None for known in found.events.values()].count(True) >= 3


async def test_a_lookup_of_one_thing_reads_nothing_else(
    postgres_backend: PostgresBackend, make: type[Make], load: Waiting
) -> None:
    fill(postgres_backend, make)

    for wanted in (Wanted(sessions={"S"}), Wanted(profiles={"merged"}), Wanted(erased={"erased"})):
        assert await load(wanted) == look_up(postgres_backend.store, wanted)
    assert await load(Wanted(owned={("S", "own")})) == look_up(postgres_backend.store, Wanted(events={("A", "own")}))


async def test_a_lookup_shows_one_moment_though_others_commit_between_its_statements(
    postgres_backend: PostgresBackend, make: type[Make], load: Waiting
) -> None:
    """Else a session might be found with an owner that was not stored before: it would look like an erased one."""
    await load(ALL)
    db = postgres_backend.db
    db.run("BEGIN")
    db.run("LOCK TABLE event_id")
    waiting = asyncio.ensure_future(load(Wanted(profiles={"B"}, events={("B", "own")})))
    with contextlib.closing(Connection(postgres_backend.url)) as others:
        await eventually(lambda: others.rows("SELECT 1 FROM pg_locks WHERE NOT granted") or None)
    db.run("INSERT INTO event_id VALUES ('B', 'own', NULL)")
    db.run("COMMIT")

    found = await waiting

    assert isinstance(found, Loaded)
    assert (found.profiles, found.events) == ({"B": None}, {("B", "own"): None})


async def test_a_lookup_does_not_use_a_connection_that_was_not_set_up_as_a_whole(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    fill(postgres_backend, make)
    with cutting_proxy(postgres_backend.url) as proxy:
        load = Waiting(proxy.url)
        proxy.garbled = b"'repeatable read'", b"'repeatable reed'"
        for _ in range(2):
            assert isinstance(await load(ALL), StoreError)

        proxy.garbled = b"", b""
        assert await load(ALL) == look_up(postgres_backend.store, ALL)
        load.lookups.close()


async def test_a_host_that_answers_nothing_for_longer_than_a_lookup_may_take_does_not_stop_all_lookups(
    postgres_backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_host(postgres_backend.url) as (url, silent), monkeypatch.context() as short:
        short.setattr(lookups, "TIMEOUT_S", 0.05)
        silent.setblocking(False)
        load = Waiting(url)
        for _ in range(2):
            assert isinstance(await load(ALL), StoreError)
        silent.accept()[0].close()  # the second lookup went on with the connection of the first one
        with pytest.raises(BlockingIOError):
            silent.accept()

    await eventually(lambda: _is_loaded(load))
    load.lookups.close()


async def _is_loaded(load: Waiting) -> bool:
    return isinstance(await load(ALL), Loaded)


async def test_a_connection_that_is_swallowed_while_it_is_set_up_is_not_waited_for_again(
    postgres_backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "TIMEOUT_S", 0.5)
    with cutting_proxy(postgres_backend.url) as proxy:
        load = Waiting(proxy.url)
        proxy.at, proxy.cut = b"SET synchronous_commit", "silent"
        assert isinstance(await load(ALL), StoreError)
        assert isinstance(await load(ALL), Loaded)
        load.lookups.close()


async def test_a_lookup_after_the_connection_was_lost_opens_another(
    postgres_backend: PostgresBackend, make: type[Make], load: Waiting
) -> None:
    fill(postgres_backend, make)
    expected = look_up(postgres_backend.store, ALL)
    for _ in range(2):
        assert await load(ALL) == expected
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        postgres_backend.db.rows(f"SELECT pg_terminate_backend(pid, 10000) {others}")


async def test_a_lookup_on_a_server_that_is_away_is_an_error_without_the_password() -> None:
    load = Waiting(f"postgresql://me:secret@127.0.0.1:{free_port()}/trackd")
    result = await load(ALL)
    assert isinstance(result, StoreError)
    assert "no connection to postgresql://me:***@127.0.0.1" in str(result)


async def test_a_lookup_that_is_given_up_has_no_result(postgres_backend: PostgresBackend, load: Waiting) -> None:
    await load(ALL)
    postgres_backend.db.run("BEGIN")
    postgres_backend.db.run("LOCK TABLE profile")
    waiting = asyncio.ensure_future(load(ALL))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    load.lookups.close()
    postgres_backend.db.run("ROLLBACK")
    assert not waiting.done()
    waiting.cancel()


def test_a_lookup_that_is_given_up_at_its_beginning_does_not_end_a_server_on_uvloop(
    postgres_backend: PostgresBackend,
) -> None:
    """libuv aborts the process when a descriptor is closed that it is about to watch."""

    async def give_up() -> None:
        load = Waiting(postgres_backend.url)
        await load(ALL)
        loop = asyncio.get_running_loop()
        for turns in range(6):  # one of them is that in which the lookup begins to wait for its socket
            abandoned = asyncio.ensure_future(load(ALL))
            for _ in range(turns):
                await asyncio.sleep(0)
            loop.call_soon(load.lookups.close)
            await asyncio.sleep(0.01)
            abandoned.cancel()
            load = Waiting(postgres_backend.url)
            assert isinstance(await load(ALL), Loaded)
        load.lookups.close()

    uvloop.run(give_up())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what other tests have left
async def test_a_connection_that_fails_after_its_lookup_was_given_up_reports_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookups, "TIMEOUT_S", 0.05)
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        load = Waiting(f"postgresql://trackd@127.0.0.1:{silent.getsockname()[1]}/trackd")
        assert isinstance(await load(ALL), StoreError)
        silent.accept()[0].close()
        await eventually(_no_connection_is_opened)
        assert isinstance(await load(ALL), StoreError)  # of another connection
    gc.collect()
    load.lookups.close()

    assert reported == []


async def _no_connection_is_opened() -> bool:
    """Whether no connection is being opened."""
    return not any("_connect" in repr(task.get_coro()) for task in asyncio.all_tasks())
