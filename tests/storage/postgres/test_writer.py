"""Commits of several nodes to one database, and what becomes of them when the connection is lost."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.cut_connection import cutting_proxy
from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.stores import PostgresBackend, existing
from trackd.core.changes import Change, Changes, Fence, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, FeedRequest, Start
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.postgres.writing import WritingConnection

STORED, STALE = Outcome.STORED, Outcome.STALE
NODES = 3
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def nodes(postgres_backend: PostgresBackend) -> Iterator[list[PostgresStore]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(PostgresStore(postgres_backend.url))) for _ in range(NODES)]


@contextlib.contextmanager
def held(backend: PostgresBackend, sql: str, waiting: int) -> Iterator[None]:
    """Another transaction has run a statement; it is rolled back once so many others wait for it."""
    with psycopg.connect(backend.url) as other:
        other.execute(sql.encode())
        yield
        wait_until(lambda: backend.db.rows(WAITING) == [(waiting,)])
        other.rollback()


def test_of_nodes_that_write_a_new_profile_and_session_together_one_wins(
    postgres_backend: PostgresBackend, nodes: list[PostgresStore], make: type[Make]
) -> None:
    batches = [
        [make.change("A", events=1, session="S", by=number), make.change(f"{number}")] for number in range(NODES)
    ]
    insert = "INSERT INTO profile (id, seq, revision, doc) VALUES ('A', 0, 1, '{}')"
    with ThreadPoolExecutor(NODES) as threads:
        with held(postgres_backend, insert, NODES):
            committed = [threads.submit(node.commit, batch) for node, batch in zip(nodes, batches, strict=True)]
        outcomes = [each.result() for each in committed]

    assert sorted(outcome.value for outcome, _ in outcomes) == ["stale", "stale", "stored"]
    assert [outcome for _, outcome in outcomes] == [STORED] * NODES
    winner = [outcome for outcome, _ in outcomes].index(STORED)
    assert existing(nodes[0].profile("A")).doc["by"] == winner
    assert len(postgres_backend.events()) == 1


def test_nodes_that_write_the_same_profiles_in_other_orders_do_not_block_each_other(
    postgres_backend: PostgresBackend, nodes: list[PostgresStore], make: type[Make]
) -> None:
    keys = [f"P{number}" for number in range(20)]
    nodes[0].commit([make.change(key) for key in keys])
    up: list[Change] = [make.change(key, (0, 1), events=1) for key in keys]
    with ThreadPoolExecutor(NODES) as threads:
        with held(postgres_backend, "SELECT 1 FROM profile WHERE id = 'P5' FOR UPDATE", NODES):
            batches = (up, up[::-1], up[10:] + up[:10])
            committed = [threads.submit(node.commit, batch) for node, batch in zip(nodes, batches, strict=True)]
        outcomes = [each.result() for each in committed]

    assert sorted(outcomes, key=lambda each: each[0].value)[-1] == [STORED] * 20
    assert len(postgres_backend.events()) == 20


@pytest.mark.parametrize(
    ("row", "other"),
    [
        ("INSERT INTO profile (id, seq, revision, doc) VALUES ('{}', 0, 1, '{{}}')", "P"),
        (
            "INSERT INTO session (id, profile_id, inserted, updated, context, properties)"
            " VALUES ('{}', 'P1', now(), now(), '{{}}', '{{}}')",
            "S",
        ),
    ],
)
def test_new_rows_are_inserted_in_the_order_of_their_ids(
    row: str, other: str, postgres_backend: PostgresBackend, nodes: list[PostgresStore], make: type[Make]
) -> None:
    batch = [make.change(f"P{number}", events=1, session=f"S{number}") for number in (3, 1, 2)]
    with ThreadPoolExecutor(1) as threads, psycopg.connect(postgres_backend.url) as third:
        with held(postgres_backend, row.format(f"{other}2"), 1):
            committed = threads.submit(nodes[0].commit, batch)
            wait_until(lambda: postgres_backend.db.rows(WAITING) == [(1,)])
            third.execute("SET lock_timeout = '10ms'")
            third.commit()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                third.execute(row.format(f"{other}1").encode())
            third.rollback()
            third.execute(row.format(f"{other}3").encode())
            third.rollback()
        assert committed.result() == [STORED] * 3


def test_a_batch_with_too_many_events_for_one_transaction_is_committed_in_parts(
    postgres_backend: PostgresBackend, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackd.storage.postgres.writer.MAX_PLACES", 4)
    store = postgres_backend.store
    batch: list[Change] = [make.change("A", events=3), make.change("B", events=3), make.change("C", events=9)]

    assert store.commit(batch) == [STORED, STORED, Outcome.FAILED]
    assert store.commit([make.change("A", (3, 1), events=1)]) == [STORED]
    assert [event.id for event in postgres_backend.events()] == ["A-1", "A-2", "A-3", "B-1", "B-2", "B-3", "A-4"]


def test_the_feed_waits_for_a_transaction_that_began_earlier_and_shows_its_events_first(
    postgres_backend: PostgresBackend, nodes: list[PostgresStore], make: type[Make]
) -> None:
    backend = postgres_backend
    nodes[0].commit([make.change("A", events=1), make.change("B", events=1)])
    with ThreadPoolExecutor(1) as threads:
        with held(backend, "SELECT 1 FROM profile WHERE id = 'B' FOR UPDATE", 1):
            batch = [make.change("A", (1, 1), events=1), make.change("B", (1, 1), events=1)]
            early = threads.submit(nodes[0].commit, batch)
            wait_until(lambda: backend.db.rows(WAITING) == [(1,)])
            nodes[1].commit([make.change("C", events=1)])
            assert backend.feed(FeedFilter(), FeedRequest(Start.OLDEST)).number == 2
        assert early.result() == [STORED, STORED]

    assert backend.feed(FeedFilter(), FeedRequest(Start.OLDEST)).number == 5
    assert [event.id for event in backend.events()] == ["A-1", "B-1", "A-2", "B-2", "C-1"]


def test_a_batch_after_a_lost_connection_is_written_on_another_one(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    store = postgres_backend.store
    store.commit([make.change("A", events=1)])
    end_all = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
    )
    postgres_backend.db.rows(f"{end_all} current_database()")

    assert store.commit([make.change("A", (1, 1), events=1)]) == [STORED]
    assert existing(store.profile("A")).seq == 2


@pytest.mark.parametrize(("cut", "is_stored"), [("before", False), ("after", True)])
def test_after_a_lost_answer_to_a_commit_the_fence_shows_what_became_of_it(
    postgres_backend: PostgresBackend, make: type[Make], cut: str, is_stored: bool
) -> None:
    with cutting_proxy(postgres_backend.url) as proxy, contextlib.closing(PostgresStore(proxy.url)) as store:
        store.commit([make.change("A", events=1)])
        proxy.cut = cut

        with pytest.raises(StoreError, match="cannot commit"):
            store.commit([make.change("A", (1, 1), events=1)])

        assert proxy.cuts == 1
        if is_stored:
            wait_until(lambda: existing(postgres_backend.store.profile("A")).seq == 2)
        assert store.commit([make.change("A", (1, 1), events=1)]) == [STALE if is_stored else STORED]
        assert [event.seq for event in postgres_backend.events()] == [1, 2]


def test_a_server_that_only_reads_refuses_commits_until_it_writes_again(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    store = postgres_backend.store
    [(name,)] = postgres_backend.db.rows("SELECT current_database()")
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    end_all = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {others}"
    postgres_backend.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        postgres_backend.db.rows(end_all)
        for batch in ([make.change("A", events=1)], []):
            with pytest.raises(StoreError, match="read-only"):
                store.commit(batch)
    finally:
        postgres_backend.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    assert store.commit([make.change("A", events=1)]) == [STORED]
    assert existing(store.profile("A")).seq == 1


def test_nothing_of_a_batch_is_written_when_its_transaction_does_not_begin(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    """Its statements are sent before the error arrives, and outside of a transaction each would commit by itself."""
    batches: list[list[Change]] = [[make.change("A", (1, 1), events=1), make.change("B", events=1)], []]
    with cutting_proxy(postgres_backend.url) as proxy, contextlib.closing(PostgresStore(proxy.url)) as store:
        store.commit([make.change("A", events=1)])
        beats = postgres_backend.db.rows("SELECT beats FROM heartbeat")
        proxy.garbled = b"BEGIN", b"BEGUN"
        for batch in batches:
            with pytest.raises(StoreError, match="cannot commit: syntax error"):
                store.commit(batch)

        assert (existing(store.profile("A")).seq, store.profile("B")) == (1, None)
        assert postgres_backend.db.rows("SELECT beats FROM heartbeat") == beats
        proxy.garbled = b"", b""
        assert store.commit([make.change("A", (1, 1), events=1)]) == [STORED]


def test_a_statement_outside_of_a_transaction_does_not_write(postgres_backend: PostgresBackend) -> None:
    with contextlib.closing(WritingConnection(postgres_backend.url)) as db:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            db.run("UPDATE heartbeat SET beats = beats + 1")
        with db.transaction(pipelined=True):
            db.begin()
            db.run("UPDATE heartbeat SET beats = beats + 1")
            db.run("COMMIT")


def test_a_node_that_was_overtaken_has_the_next_turn(postgres_backend: PostgresBackend, make: type[Make]) -> None:
    one = postgres_backend.store
    with contextlib.closing(PostgresStore(postgres_backend.url)) as two:
        assert one.commit([make.change("A", events=1)]) == [Outcome.STORED]
        assert two.commit([make.change("A", events=1), make.change("B", events=1)]) == [Outcome.STALE, Outcome.STORED]

        assert one.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STALE], "the other node has claimed it"
        assert two.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STORED]
        assert one.commit([make.change("A", (2, 2), events=1)]) == [Outcome.STORED]


def test_a_claim_ends_by_itself(postgres_backend: PostgresBackend, make: type[Make]) -> None:
    one = postgres_backend.store
    one.commit([make.change("A", events=1)])
    with contextlib.closing(PostgresStore(postgres_backend.url)) as two:
        assert two.commit([make.change("A", events=1)]) == [Outcome.STALE]

    wait_until(lambda: one.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STORED])


def test_a_call_that_changes_nothing_is_stale_when_its_profile_has_moved_on(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    store = postgres_backend.store
    store.commit([make.change("A", events=1), make.change("B", events=1)])
    repeated = Changes(Fence("A", 1, 1))
    assert store.commit([repeated, make.change("B", (1, 1), events=1)]) == [STORED, STORED]
    before = existing(store.profile("A"))
    assert (before.seq, before.revision) == (1, 1)

    store.commit([make.change("A", (1, 1), events=1)])

    assert store.commit([repeated, make.change("B", (2, 2), events=1)]) == [STALE, STORED]
    assert (existing(store.profile("A")).seq, existing(store.profile("B")).seq) == (2, 3)


def test_the_server_ends_a_batch_of_a_node_that_is_stopped_within_it(postgres_backend: PostgresBackend) -> None:
    """Its time limit is that of an idle transaction: within a pipeline the server takes none for idle by itself."""
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    with contextlib.closing(WritingConnection(postgres_backend.url)) as db, db.transaction(pipelined=True):
        db.begin()
        db.run("UPDATE heartbeat SET beats = beats + 1")
        wait_until(lambda: postgres_backend.db.rows(idle) == [(1,)])
        db.run("ROLLBACK")


def test_batches_after_stale_ones_find_their_prepared_statements(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    one = postgres_backend.store
    with contextlib.closing(PostgresStore(postgres_backend.url)) as two:
        one.commit([make.change("A", events=1)])
        seq = 1
        for _ in range(8):
            own = existing(one.profile("A"))
            assert two.commit([make.change("A", (seq, own.revision), events=1)]) == [STORED]
            assert (
                one.commit([make.change("A", (seq, own.revision), events=1, session="S"), make.change("B")])[0] is STALE
            )
            seq += 1
            assert one.commit([make.change("A", (seq, own.revision + 1), events=1)]) == [STORED]
            seq += 1
    assert existing(one.profile("A")).seq == seq
