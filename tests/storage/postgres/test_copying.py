"""A file is copied into a database, however often the copy is interrupted; what must not be copied is refused."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.database import execute, rows
from tests.support.making import Make
from tests.support.postgres import emptied
from tests.support.stores import PostgresBackend, SqliteBackend, existing
from trackd.core.changes import Erasure, Fence, Outcome
from trackd.core.documents import Source, TokenScope
from trackd.core.jobs import AddJob
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.retention_changes import PutRetentionStop
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, FeedRequest, Lost, Start
from trackd.storage.postgres import copying
from trackd.storage.postgres.audit import audit_database, database_checks
from trackd.storage.postgres.copying import Copied, copy_file
from trackd.storage.postgres.read_only_database import ReadOnlyDatabase
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.postgres.table_differences import compare_file
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.lock import DatabaseInUseError, DatabaseLock
from trackd.storage.sqlite.tokens import Tokens

ODD = "a\0b\1c\2\uffff\U0001f642'\"\\"
REFUSALS = tuple(Refusal(Make.now, 422, "invalid", body=f'{{"n":"{n}\\u0000"}}') for n in range(3))


@pytest.fixture
def url(postgres_database: str) -> str:
    """That of an empty database."""
    emptied(postgres_database)
    return postgres_database


@pytest.fixture
def path(sqlite_backend: SqliteBackend, make: type[Make]) -> Path:
    """A closed file with something in every table, and a gap in the rows of profiles."""
    backend = sqlite_backend
    backend.put_source(Source("shop", "Shop", origins=("https://shop.example",), rate_limit=2.5))
    odd = make.change(
        ODD, events=2, session=ODD, event={"type": ODD, "properties": '{"n":12345678901234567890,"z":"\\u0000"}'}
    )
    commit = backend.store.commit
    commit([make.change("A", events=2, session="SA", event_ids={"A-1": 1, "x": None}), odd, make.change("C", events=1)])
    commit([replace(make.change("B", events=2, session="SB"), pii=(('["email"]', "b@example.com"),))])
    commit([make.change("A", (2, 1), events=1), Erasure(Fence("C", 1, 1), make.later)])
    commit([PutRefusals(REFUSALS, 2), AddJob("kind", {"a": 1}, make.now), PutRetentionStop(make.now, None)])
    backend.merge("M", "A")
    backend.execute("INSERT INTO erased VALUES ('before the feed', '2025-01-01T00:00:00.000000Z', NULL)")
    backend.close()
    with Tokens(backend.path) as tokens:
        tokens.add("reader", [TokenScope.READ])
        tokens.add_link(TokenScope.ADMIN)
        tokens.put_page("http://x/ui/")
    return backend.path


def copy(path: Path, url: str) -> Copied:
    return copy_file(path, url, lambda done, total: None)


def faults(path: Path, url: str) -> list[str]:
    return [f"{each.table}: {each.fault}" for each in compare_file(path, url) if each.fault]


def test_everything_is_copied_and_the_database_goes_on_where_the_file_was(
    path: Path, url: str, make: type[Make]
) -> None:
    copied = copy(path, url)
    assert copied.counts == {
        "profile": 3, "merged": 1, "session": 3, "event_id": 2, "erased": 2, "event": 7, "pii": 1, "refusal": 2,
        "source": 1, "token": 1, "login": 1, "job": 1,
    }  # fmt: skip
    assert faults(path, url) == []
    assert [
        each.number for each in audit_database(url, database_checks(rules_change_counters=True)) if each.number
    ] == []

    with contextlib.closing(PostgresBackend(url)) as backend:
        store = backend.store
        assert (existing(store.profile("M")).seq, store.known_events("A", ["A-1", "x"])) == (3, {"A-1": 1, "x": None})
        assert (store.is_erased("C"), existing(store.session("SB")).profile_id) == (True, "B")
        [source], [token], [job] = store.sources(), store.tokens(), store.jobs()
        assert (source.rate_limit, token.name, job.arguments) == (2.5, "reader", {"a": 1})
        assert store.retention_stop().after == make.now
        [installation] = rows(path, "SELECT number, page FROM installation")
        assert (store.installation(), backend.db.rows("SELECT page FROM installation")) == (
            installation["number"],
            [("http://x/ui/",)],
        )
        before = [event.id for event in backend.events()]
        assert (
            store.commit([make.change("A", (3, 2), events=1, session="SN"), make.change("N")]) == [Outcome.STORED] * 2
        )
        assert store.commit([PutRefusals(REFUSALS[:1], 10), AddJob("kind", {}, make.now)]) == [Outcome.STORED] * 2
        assert [event.id for event in backend.events()] == [*before, "A-4"]
        with contextlib.closing(SqliteListings(path)) as listings:
            old = listings.feed(FeedFilter(), FeedRequest(Start.OLDEST))
        assert backend.feed(FeedFilter(), FeedRequest(old.cursor)).lost is Lost.FOREIGN
        page = backend.feed(FeedFilter(), FeedRequest(Start.OLDEST))
        assert (page.number, page.is_last) == (old.number + 1, True)
        assert [number for (number,) in backend.db.rows("SELECT number FROM refusal ORDER BY number")] == [2, 3, 4]
        assert [job.number for job in store.jobs()] == [1, 2]


def test_a_copy_that_is_interrupted_after_each_batch_is_complete_in_the_end(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH_ROWS", 1)
    put, batches = copying._Target._put, 0

    class KilledError(Exception):
        pass

    def put_one(target: Any, *arguments: Any) -> None:
        nonlocal batches
        if batches == 1:
            raise KilledError
        batches += 1
        put(target, *arguments)

    monkeypatch.setattr(copying._Target, "_put", put_one)
    runs = 0
    while True:
        runs, batches = runs + 1, 0
        try:
            copied = copy(path, url)
        except KilledError:
            with pytest.raises(
                StoreError, match=r"has an incomplete copy of a file: run the same `trackd migrate` again"
            ):
                PostgresStore(url)
            with pytest.raises(StoreError, match="has an incomplete copy of a file"):
                ReadOnlyDatabase(url)
        else:
            break
    assert runs == sum(copied.counts.values())
    assert faults(path, url) == []
    again = copy(path, url)
    assert (again.was_complete, faults(path, url)) == (True, [])


def test_a_copy_goes_on_when_it_was_killed_before_the_two_were_compared(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = copying._Target.compare
    monkeypatch.setattr(copying._Target, "compare", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        copy(path, url)
    monkeypatch.setattr(copying._Target, "compare", compare)
    assert not copy(path, url).was_complete
    assert faults(path, url) == []


def test_a_file_that_has_changed_since_the_copy_began_is_refused(
    path: Path, url: str, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying._Target, "compare", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        copy(path, url)
    monkeypatch.undo()
    execute(path, "UPDATE heartbeat SET beats = beats + 1")  # a server has run

    with pytest.raises(StoreError, match=r"or .*trackd\.db was changed since that copy began: drop the database"):
        copy(path, url)


def test_a_difference_is_named_and_the_copy_is_not_complete(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = copying._Target.put_single_rows

    def damage(target: Any, source: Sequence[Any]) -> None:
        put(target, source)
        with target._database.transaction() as db:
            db.run("UPDATE event SET type = 'other' WHERE id = 'B-2'")
            db.run("DELETE FROM token")

    monkeypatch.setattr(copying._Target, "put_single_rows", damage)
    with pytest.raises(StoreError) as differs:
        copy(path, url)
    assert "event: row 7 differs; token: 1 rows in the file, 0 in the database" in str(differs.value)
    with pytest.raises(StoreError, match="incomplete copy"):
        PostgresStore(url)


def test_what_must_not_be_copied_is_refused(path: Path, url: str, make: type[Make]) -> None:
    with DatabaseLock(path), pytest.raises(DatabaseInUseError, match="in use by another trackd"):
        copy(path, url)
    with contextlib.closing(PostgresBackend(url)) as backend:
        with pytest.raises(StoreError, match=r"Servers run on postgresql://.*: stop them first\."):
            copy(path, url)
        backend.store.commit([make.change("X")])
    with pytest.raises(StoreError, match=r"is not empty, it has rows in profile: name a new database"):
        copy(path, url)


def test_a_row_that_postgresql_does_not_take_is_named(path: Path, url: str) -> None:
    execute(path, "UPDATE event SET properties = '{' WHERE id = 'A-2'")
    with pytest.raises(StoreError, match=r"has a row in event that PostgreSQL does not take \(2: .*\): mend it"):
        copy(path, url)
    execute(path, "UPDATE event SET properties = '{}' WHERE id = 'A-2'")
    copy(path, url)
    assert faults(path, url) == []
