"""Profiles with ids that are derived from their calls, while another node makes and erases one."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.stores import PostgresBackend
from trackd.core.changes import Changes, Outcome
from trackd.core.documents import tombstone
from trackd.storage.postgres.store import PostgresStore

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
MAKE = "INSERT INTO profile (id, seq, revision, doc) VALUES ('D', 0, 1, '{}')"
ERASE = "DELETE FROM profile WHERE id = 'D'"


def derived(make: type[Make], profile_id: str) -> Changes:
    return replace(make.change(profile_id, events=1), is_derived=True)


@pytest.mark.parametrize("with_stale", [False, True], ids=["all expected", "judged"])
def test_a_profile_that_is_made_and_erased_during_the_commit_is_not_made_again(
    postgres_backend: PostgresBackend, make: type[Make], with_stale: bool
) -> None:
    others = [make.change("stale", (7, 7))] if with_stale else []
    with (
        contextlib.closing(PostgresStore(postgres_backend.url)) as store,
        psycopg.connect(postgres_backend.url) as other,
        ThreadPoolExecutor(1) as threads,
    ):
        other.execute(MAKE)
        committed = threads.submit(store.commit, [derived(make, "D"), derived(make, "E"), *others])
        wait_until(lambda: postgres_backend.db.rows(WAITING) == [(1,)])
        other.execute(ERASE)
        other.execute("INSERT INTO erased VALUES (%s, now(), -1)", [tombstone("D")])
        other.commit()

        stale = [Outcome.STALE] * len(others)
        assert committed.result() == [Outcome.STALE, Outcome.STORED, *stale]
    assert [event.profile_id for event in postgres_backend.events()] == ["E"]
