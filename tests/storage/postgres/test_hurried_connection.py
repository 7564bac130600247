"""Reads on the event loop while a server, or a host before it in the URL, answers nothing."""

import contextlib
import threading

import pytest

from tests.support.cut_connection import cutting_proxy, silent_host
from tests.support.polling import wait_until
from tests.support.stores import PostgresBackend
from trackd.storage.errors import StoreError
from trackd.storage.postgres import connection as connections
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.hurried_connection import HurriedConnection
from trackd.storage.postgres.store import PostgresStore


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSE_S", 0.0)


def lose(connection: Connection, others: Connection) -> None:
    [(pid,)] = connection.read("SELECT pg_backend_pid()")
    others.rows("SELECT pg_terminate_backend(%s, 10000)", [pid])


def reads(connection: Connection) -> bool:
    try:
        return connection.read("SELECT 1") == [(1,)]
    except StoreError:
        return False


def test_a_read_after_the_connection_was_lost_opens_another(postgres_backend: PostgresBackend) -> None:
    with contextlib.closing(HurriedConnection(postgres_backend.url, lambda: None)) as connection:
        lose(connection, postgres_backend.db)

        wait_until(lambda: reads(connection))
        assert connection.reconnects == 1


def test_a_read_does_not_wait_for_a_host_that_answers_nothing(postgres_backend: PostgresBackend) -> None:
    with contextlib.closing(HurriedConnection(postgres_backend.url, lambda: None)) as connection:
        lose(connection, postgres_backend.db)
        with silent_host(postgres_backend.url) as (url, silent):
            connection._url = url
            silent.setblocking(False)
            for _ in range(2):
                with pytest.raises(StoreError, match="no connection: the database does not answer"):
                    connection.read("SELECT 1")
            silent.accept()[0].close()
            with pytest.raises(BlockingIOError):  # a thread opens one at a time
                silent.accept()

        wait_until(lambda: reads(connection))


def test_a_connection_that_is_open_after_the_end_is_closed(postgres_backend: PostgresBackend) -> None:
    found = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    before = postgres_backend.db.rows(found)
    connection = HurriedConnection(postgres_backend.url, lambda: None)
    lose(connection, postgres_backend.db)
    with silent_host(postgres_backend.url) as (url, _):
        connection._url = url
        assert not reads(connection)
        connection.close()

    wait_until(lambda: "connecting" not in {thread.name for thread in threading.enumerate()})
    wait_until(lambda: postgres_backend.db.rows(found) == before)


def test_a_statement_that_is_swallowed_is_given_up(postgres_backend: PostgresBackend) -> None:
    with cutting_proxy(postgres_backend.url) as proxy, contextlib.closing(PostgresStore(proxy.url)) as store:
        listings = store.listings()
        proxy.silence()
        with pytest.raises(StoreError, match="does not answer"):
            store.installation()
        with pytest.raises(StoreError, match="does not answer"):
            listings.feed_head()
        listings.close()


def test_an_error_of_a_new_connection_is_raised(postgres_backend: PostgresBackend) -> None:
    connection = HurriedConnection(f"{postgres_backend.url}_missing", lambda: None)
    with pytest.raises(StoreError, match="does not exist"):
        connection.read("SELECT 1")
    assert not connection.is_open
