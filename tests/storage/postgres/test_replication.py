"""A standby that does not confirm a commit, a primary that only reads, and an old one that runs after a failover."""

import contextlib
import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.postgres import Cluster, running_cluster, with_database
from tests.support.standby import primary_and_standby
from trackd.core.changes import Outcome
from trackd.core.documents import Source
from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import Connection, connect
from trackd.storage.postgres.replication import check_timeline
from trackd.storage.postgres.sources import PostgresSources
from trackd.storage.postgres.store import PostgresStore

SILENT = "?options=-c%20client_min_messages%3Derror"  # as a user may have it
CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster({"wal_level": "replica", "max_wal_senders": "2"}) as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """The URL of a database with tables."""
    url = with_database(cluster.url, "replicated")
    PostgresStore(url).close()
    yield url
    _set_standby(cluster, "")


@contextlib.contextmanager
def _cancelled_waits(cluster: Cluster) -> Iterator[None]:
    """Within the block no commit waits for a standby for long."""
    has_ended = threading.Event()

    def cancel() -> None:
        with psycopg.connect(cluster.url, autocommit=True) as admin:
            while not has_ended.wait(0.02):
                admin.execute(CANCEL)

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def _set_standby(cluster: Cluster, name: str) -> None:
    """Let commits wait for a standby of this name."""
    _set(cluster, "synchronous_standby_names", name)


def _set(cluster: Cluster, setting: str, value: str) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET {setting} = '{value}'".encode())
        admin.execute("SELECT pg_reload_conf()")
        wait_until(lambda: admin.execute(f"SHOW {setting}".encode()).fetchone() == (value,))


@pytest.mark.parametrize("options", ["", SILENT])
def test_a_commit_that_stops_to_wait_for_its_standby_is_not_stored_for_its_callers(
    cluster: Cluster, url: str, make: type[Make], options: str
) -> None:
    with contextlib.closing(PostgresStore(url + options)) as store:
        store.commit([make.change("A", events=1)])
        _set_standby(cluster, "missing")

        with _cancelled_waits(cluster):
            for _ in range(2):  # the second one is stale: what it depends on may be lost
                with pytest.raises(StoreError, match="may be lost in a failover"):
                    store.commit([make.change("A", (1, 1), events=1)])
            with pytest.raises(StoreError, match="may be lost in a failover"):
                store.check_writable()

        _set_standby(cluster, "")
        assert store.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STALE]


def test_a_server_that_is_made_read_only_while_nodes_run_takes_no_commits(
    cluster: Cluster, url: str, make: type[Make]
) -> None:
    with contextlib.closing(PostgresStore(url)) as store:
        store.commit([make.change("A", events=1)])
        _set(cluster, "default_transaction_read_only", "on")
        try:
            wait_until(lambda: _refuses(store))  # its session has noticed the change
            for _ in range(2):
                with pytest.raises(StoreError, match="read-only"):
                    store.commit([make.change("A", (1, 1), events=1)])
        finally:
            _set(cluster, "default_transaction_read_only", "off")

        assert store.commit([make.change("A", (1, 1), events=1)]) == [Outcome.STORED]


def test_a_command_reports_a_change_that_the_standby_may_lack(cluster: Cluster, url: str) -> None:
    with PostgresSources(url) as sources:
        _set_standby(cluster, "missing")

        with _cancelled_waits(cluster), pytest.raises(StoreError, match="may be lost in a failover"):
            sources.add(Source("shop", "The shop"))


def test_a_primary_that_was_replaced_is_refused() -> None:
    url = "postgresql://me:secret@one,two/replaced"
    check_timeline(url, 1)
    check_timeline(url, 2)
    check_timeline(url, None)  # a standby
    with pytest.raises(StoreError, match=r"two of postgresql://me:\*\*\*@one,two/replaced take writes") as raised:
        check_timeline(url, 1)
    assert "secret" not in str(raised.value)


@pytest.mark.slow
def test_after_a_failover_all_goes_on_and_the_old_primary_takes_no_writes_until_it_is_a_standby(
    make: type[Make],
) -> None:
    with primary_and_standby() as servers, contextlib.closing(PostgresStore(servers.url)) as store:
        old = servers.primary.url.replace("/postgres", "/trackd")
        store.commit([make.change("A", events=1)])
        numbers = [store.installation()]
        servers.fail_over()

        wait_until(lambda: _commits(store, make), "the new primary takes writes")
        numbers.append(store.installation())
        assert numbers[0] == numbers[1]

        servers.other.start()  # as a primary, by mistake
        connect(servers.url.replace(f":{servers.other.port}", "").replace("127.0.0.1,", "")).close()
        with pytest.raises(StoreError, match="take writes, and this one was replaced by a standby"):
            connect(servers.url)
        with (
            contextlib.closing(Connection(old)) as alone,
            _cancelled_waits(servers.other),
            pytest.raises(StoreError, match="may be lost in a failover"),
            alone.transaction(pipelined=False),
        ):
            alone.run("UPDATE heartbeat SET beats = beats + 1")
        servers.other.kill()

        servers.add_standby()
        servers.fail_over()
        wait_until(lambda: store.commit([make.change("B", events=1)]) == [Outcome.STORED], "it is the primary again")


def _refuses(store: PostgresStore) -> bool:
    try:
        store.check_writable()
    except StoreError:
        return True
    return False


def _commits(store: PostgresStore, make: type[Make]) -> bool:
    try:
        return store.commit([make.change("A", (1, 1), events=1)]) in ([Outcome.STORED], [Outcome.STALE])
    except StoreError:
        return False
