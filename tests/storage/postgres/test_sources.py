"""The first source of a database, when several nodes start for the first time together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support.polling import wait_until
from tests.support.stores import PostgresBackend
from trackd.core.documents import Source
from trackd.storage.postgres.sources import PostgresSources

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_of_nodes_that_start_together_one_makes_the_first_source(postgres_backend: PostgresBackend) -> None:
    started = threading.Barrier(2)

    def start(name: str) -> Source | None:
        with PostgresSources(postgres_backend.url) as sources:
            started.wait()
            return sources.add_first(Source(name, name))

    with ThreadPoolExecutor() as threads:
        made = [source.id for source in threads.map(start, "AB") if source is not None]
    assert [source.id for source in postgres_backend.store.sources()] == made
    assert len(made) == 1


def test_a_node_waits_for_a_source_that_is_being_added(postgres_backend: PostgresBackend) -> None:
    with PostgresSources(postgres_backend.url) as sources, ThreadPoolExecutor() as threads:
        with psycopg.connect(postgres_backend.url) as other:
            other.execute("UPDATE sources_version SET version = 1")
            made = threads.submit(sources.add_first, Source("B", "B"))
            wait_until(lambda: postgres_backend.db.rows(WAITING) == [(1,)])
        assert made.result() is None


def test_a_database_that_had_a_source_gets_no_first_one(postgres_backend: PostgresBackend) -> None:
    with PostgresSources(postgres_backend.url) as sources:
        sources.add(Source("A", "A"))
        sources.remove("A")

        assert sources.add_first(Source("B", "B")) is None
        assert sources.all() == []
