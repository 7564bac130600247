"""The tables: made once by nodes that start together, and refused when they are newer than this trackd."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.making import Make
from tests.support.postgres import with_database
from tests.support.stores import PostgresBackend
from trackd.core.changes import Outcome
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, FeedRequest, Start
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.store import PostgresStore


def test_nodes_that_start_together_make_the_tables_once(postgres_database: str) -> None:
    url = with_database(postgres_database, "trackd_together")
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(PostgresStore, [url] * 4))

    assert len({store.installation() for store in stores}) == 1
    with contextlib.closing(Connection(url)) as db:
        assert db.read("SELECT count(*) FROM feed_history") == [(1,)]
    for store in stores:
        store.close()


def test_a_node_that_is_older_than_the_tables_refuses_them(postgres_backend: PostgresBackend) -> None:
    postgres_backend.execute("INSERT INTO trackd_migration (name) VALUES ('of the future')")
    try:
        with pytest.raises(StoreError, match=r"was upgraded by a newer trackd \(of the future\)"):
            PostgresStore(postgres_backend.url)
    finally:
        postgres_backend.execute("DELETE FROM trackd_migration WHERE name = 'of the future'")


def test_numbers_go_on_in_a_database_that_comes_from_a_server_with_more_transactions(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    backend = postgres_backend
    backend.store.commit([make.change("A", events=2)])
    backend.execute("UPDATE event SET number = number + (1000000::bigint << 18)")
    node = PostgresStore(backend.url)

    assert node.commit([make.change("A", (2, 1), events=1)]) == [Outcome.STORED]

    page = backend.feed(FeedFilter(), FeedRequest(Start.OLDEST))
    assert (page.number, page.is_last) == (3, True)
    assert [event.seq for event in backend.events()] == [1, 2, 3]
    assert backend.db.rows("SELECT count(*) FROM feed_history") == [(2,)]
    node.close()
    backend.execute("UPDATE event_numbers SET xid_offset = 0")
