"""Fixtures of the storage tests: the builder, each kind of store, and a stored database."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.making import Make
from tests.support.postgres import emptied
from tests.support.stores import Backend, FramedStore, ListedBackend, MemoryBackend, PostgresBackend, SqliteBackend
from trackd.core.changes import Erasure, Fence
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def sqlite_backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    backend = SqliteBackend(tmp_path / "trackd.db")
    yield backend
    backend.close()


@pytest.fixture
def framed_backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    backend = SqliteBackend(tmp_path / "trackd.db", FramedStore)
    yield backend
    backend.close()


@pytest.fixture
def postgres_backend(postgres_database: str) -> Iterator[PostgresBackend]:
    emptied(postgres_database)
    backend = PostgresBackend(postgres_database)
    yield backend
    backend.close()


@pytest.fixture(params=["memory", "sqlite", "framed", "postgres"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    backend: Backend = request.getfixturevalue(f"{request.param}_backend")
    return backend


@pytest.fixture(params=["sqlite", "postgres"])
def lists(request: pytest.FixtureRequest) -> ListedBackend:
    backend: ListedBackend = request.getfixturevalue(f"{request.param}_backend")
    return backend


@pytest.fixture
def listings(sqlite_backend: SqliteBackend) -> Iterator[SqliteListings]:
    with contextlib.closing(SqliteListings(sqlite_backend.path)) as listings:
        yield listings


@pytest.fixture
def stored(tmp_path: Path, make: type[Make]) -> Path:
    """A closed database: profiles A (3 events) and B (2), a session of each, an event id, a tombstone."""
    path = tmp_path / "stored.db"
    store = SqliteStore(path)
    store.commit(
        [
            make.change("A", events=2, session="SA", event_ids={"A-1": 1}),
            make.change("B", events=2, session="SB"),
        ]
    )
    store.commit([make.change("A", (2, 1), events=1), make.change("C", events=1)])
    store.commit([Erasure(Fence("C", 1, 1), "2026-02-01T12:00:00.000000Z")])
    store.close()
    return path
