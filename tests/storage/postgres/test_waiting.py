"""Between a node and PostgreSQL everything is swallowed, and no connection ends: the node finds out, and goes on."""

import contextlib
import socket
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.cut_connection import CuttingProxy, cutting_proxy
from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.stores import PostgresBackend
from trackd.core.changes import Outcome
from trackd.core.documents import Source
from trackd.storage.errors import StoreError
from trackd.storage.postgres import waiting
from trackd.storage.postgres.connection import Connection, connect
from trackd.storage.postgres.sources import PostgresSources
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.store import Duty


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.1)


@pytest.fixture
def proxy(postgres_backend: PostgresBackend) -> Iterator[CuttingProxy]:
    with cutting_proxy(postgres_backend.url) as proxy:
        yield proxy


def test_a_commit_whose_answer_is_swallowed_is_given_up_and_the_fence_shows_what_became_of_it(
    postgres_backend: PostgresBackend, proxy: CuttingProxy, make: type[Make]
) -> None:
    with contextlib.closing(PostgresStore(proxy.url)) as store:
        store.commit([make.change("A", events=1)])
        proxy.cut = "silent"

        with pytest.raises(StoreError, match="cannot commit: the connection is lost: no answer"):
            store.commit([make.change("A", (1, 1), events=1)])

        assert store.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STALE]
        assert [event.seq for event in postgres_backend.events()] == [1, 2]


def test_after_a_batch_that_was_swallowed_another_connection_is_used(
    postgres_backend: PostgresBackend, proxy: CuttingProxy, make: type[Make]
) -> None:
    """Its COMMIT went with it, so whether it is written is not known."""
    with contextlib.closing(PostgresStore(proxy.url)) as store:
        store.commit([make.change("A", events=1)])
        proxy.silence()

        with pytest.raises(StoreError, match="the connection is lost"):
            store.commit([make.change("A", (1, 1), events=1)])
        assert store.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STORED]
        assert [event.seq for event in postgres_backend.events()] == [1, 2]


def test_a_node_notices_changes_after_its_notifications_were_swallowed(
    postgres_backend: PostgresBackend, proxy: CuttingProxy
) -> None:
    reconnects: list[bool] = []
    with contextlib.closing(PostgresStore(proxy.url)) as store, store.listening(lambda: reconnects.append(True)):
        wait_until(lambda: store.has_duty(Duty.JOBS))  # it listens
        proxy.silence()
        with PostgresSources(postgres_backend.url) as sources:
            sources.add(Source("shop", "The shop"))

        wait_until(lambda: reconnects)
        wait_until(lambda: [source.id for source in store.sources()] == ["shop"])


def test_a_statement_that_the_server_works_on_may_take_its_time(postgres_backend: PostgresBackend) -> None:
    with contextlib.closing(Connection(postgres_backend.url)) as connection:
        assert connection.rows("SELECT 1 FROM pg_sleep(0.5)") == [(1,)]


def test_a_server_that_does_not_answer_a_new_connection_is_asked_and_no_other_one(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNREACHABLE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as default:
        default.setblocking(False)
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(default.getsockname()[1]))
        proxy.at, proxy.cut = b"SET synchronous_commit", "silent"

        with pytest.raises(StoreError, match="the connection is lost: no answer"):
            connect(proxy.url)

        with pytest.raises(BlockingIOError):
            default.accept()


def test_a_statement_ends_when_the_server_cannot_be_asked_for_long(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNREACHABLE_S", 0.3)
    with contextlib.closing(Connection(proxy.url)) as connection:
        opened = connection.open()
        assert isinstance(opened, waiting.Watched)
        opened.url = f"postgresql://127.0.0.1:{free_port()}/trackd"
        proxy.silence()

        with pytest.raises(psycopg.OperationalError, match="no answer"):
            connection.rows("SELECT 1")
