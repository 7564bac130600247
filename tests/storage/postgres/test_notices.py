"""Nodes on one database notice each other's changes, and share duties."""

import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from tests.support.polling import wait_until
from tests.support.postgres import emptied
from trackd.core.documents import Source, TokenScope
from trackd.core.jobs import AddJob
from trackd.core.source_changes import AddSource
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.notices import LOCKS
from trackd.storage.postgres.sources import PostgresSources
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.postgres.tokens import PostgresTokens
from trackd.storage.store import Duty

Node = Callable[..., PostgresStore]
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@pytest.fixture
def node(postgres_database: str) -> Iterator[Node]:
    """Opens a store as a node does."""
    emptied(postgres_database)
    with ExitStack() as stack:

        def open_store(reconnected: Callable[[], None] = lambda: None) -> PostgresStore:
            store = stack.enter_context(closing(PostgresStore(postgres_database)))
            stack.enter_context(store.listening(reconnected))
            return store

        yield open_store


def test_changes_by_a_command_reach_the_copies_of_all_nodes(node: Node, postgres_database: str) -> None:
    nodes = [node(), node()]
    versions = [each.sources_version() for each in nodes]

    with PostgresSources(postgres_database) as sources, PostgresTokens(postgres_database) as tokens:
        sources.add(Source("shop", "The shop"))
        tokens.add("reader", [TokenScope.READ])

    for each, version in zip(nodes, versions, strict=True):
        wait_until(lambda each=each: [source.id for source in each.sources()] == ["shop"])  # type: ignore[misc]
        wait_until(lambda each=each: [token.name for token in each.tokens()] == ["reader"])  # type: ignore[misc]
        assert each.sources_version() > version


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """More are open than select() takes, as in a node with a thousand clients."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    yield
    for descriptor in descriptors:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_descriptors")
def test_a_node_with_a_thousand_clients_notices_changes(node: Node, postgres_database: str) -> None:
    store = node()
    wait_until(lambda: store.has_duty(Duty.JOBS))  # it listens
    with PostgresSources(postgres_database) as sources:
        sources.add(Source("shop", "The shop"))
    wait_until(lambda: [source.id for source in store.sources()] == ["shop"])


def test_a_node_reads_its_own_change_at_once(node: Node) -> None:
    store = node()
    wait_until(lambda: store.has_duty(Duty.JOBS))  # it listens
    for number in range(50):
        store.commit([AddSource(Source(f"s{number}", "A source")), AddJob("erase_profile", {}, "2026-01-01T00:00:00Z")])
        store.expire()
        assert (len(store.sources()), len(store.jobs())) == (number + 1, number + 1)


def test_changes_during_a_lost_connection_are_read_after_it(node: Node, postgres_database: str) -> None:
    reconnects: list[bool] = []
    store = node(lambda: reconnects.append(True))
    wait_until(lambda: store.has_duty(Duty.JOBS))
    assert not reconnects

    with closing(Connection(postgres_database)) as other:
        other.rows(OTHERS)
    with PostgresSources(postgres_database) as sources:
        sources.add(Source("shop", "The shop"))

    wait_until(lambda: [source.id for source in store.sources()] == ["shop"])
    wait_until(lambda: reconnects)


def test_one_node_has_a_duty_and_another_one_takes_it_over(node: Node, postgres_database: str) -> None:
    second = node()
    with closing(PostgresStore(postgres_database)) as first, first.listening():
        wait_until(lambda: first.has_duty(Duty.RETENTION))
        assert not second.has_duty(Duty.RETENTION)
        wait_until(lambda: second.has_duty(Duty.JOBS))  # it has asked for both
        assert not second.has_duty(Duty.RETENTION)

    wait_until(lambda: second.has_duty(Duty.RETENTION))


def test_a_node_whose_connection_is_lost_has_no_duty_until_it_gets_it_again(node: Node, postgres_database: str) -> None:
    store = node()
    wait_until(lambda: store.has_duty(Duty.RETENTION))
    with ThreadPoolExecutor() as threads, closing(Connection(postgres_database)) as other:
        [(waiting,)] = other.rows("SELECT pg_backend_pid()")
        taken = threads.submit(other.rows, "SELECT pg_advisory_lock(%s)", [LOCKS[Duty.RETENTION]])
        with closing(Connection(postgres_database)) as third:
            wait_until(lambda: third.rows("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", [waiting]))
            third.rows(f"{OTHERS} AND pid <> %s", [waiting])
        taken.result()
        wait_until(lambda: not store.has_duty(Duty.RETENTION))
        wait_until(lambda: store.has_duty(Duty.JOBS))  # it is connected again
        assert not store.has_duty(Duty.RETENTION)

    wait_until(lambda: store.has_duty(Duty.RETENTION))
