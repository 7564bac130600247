import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlite_utils import Database

from tests.support.database import open_database
from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.core.changes import Erasure, Fence, Outcome
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.sqlite.event_chain import COLUMNS, chained, walk
from trackd.storage.sqlite.schema import migrations
from trackd.storage.sqlite.store import SqliteStore


def walked(db: Database, profile_id: str, depth: int = -1) -> list[int]:
    start = db.execute("SELECT last_event FROM profile WHERE id = ?", [profile_id]).fetchone()[0]
    sql = f"{walk(':profile', ':start', ':depth')} SELECT event.seq FROM walk JOIN event USING (number)"
    return [row[0] for row in db.execute(sql, {"start": start, "profile": profile_id, "depth": depth})]


def test_rows_are_numbered_and_each_names_the_one_before_it_of_its_profile(make: type[Make]) -> None:
    events = [make.stored_event("A", 5), make.stored_event("B", 1), make.stored_event("A", 6)]

    rows, last = chained(events, {"A": 7, "C": 3}, last_number=10)

    links = [(row[COLUMNS.index("number")], row[COLUMNS.index("previous")]) for row in rows]
    assert links == [(11, 7), (12, None), (13, 11)]
    assert last == {"A": 13, "B": 12, "C": 3}


def test_the_chain_of_a_profile_leads_to_all_its_events_the_newest_first(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    dice = random.Random(1)
    seqs: Counter[str] = Counter()
    revisions: Counter[str] = Counter()
    for _ in range(60):
        batch = []
        for profile_id in dice.choices("ABC", k=3):
            events = dice.randrange(3)
            batch.append(make.change(profile_id, (seqs[profile_id], revisions[profile_id]), events=events))
            seqs[profile_id] += events
            revisions[profile_id] += 1
        sqlite_backend.store.commit(batch)

    for profile_id, seq in seqs.items():
        assert walked(sqlite_backend.db, profile_id) == list(range(seq, 0, -1))
        assert walked(sqlite_backend.db, profile_id, depth=4) == list(range(seq, 0, -1))[:4]


def erase_the_newest(backend: SqliteBackend) -> None:
    assert backend.store.commit([Erasure(Fence("B", 2, 1), "then")]) == [Outcome.STORED]


def delete_the_old(backend: SqliteBackend) -> None:
    assert backend.store.commit([DeleteEvents("2027", limit=2)]) == [Outcome.STORED]
    assert backend.store.commit([DeleteEvents("2027", limit=9)]) == [Outcome.DONE]


def delete_with_another_tool(backend: SqliteBackend) -> None:
    backend.db.execute("DELETE FROM event WHERE number > 2")


@pytest.mark.parametrize("delete", [erase_the_newest, delete_the_old, delete_with_another_tool])
@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
def test_the_number_of_a_deleted_event_is_not_used_again(
    sqlite_backend: SqliteBackend, make: type[Make], delete: Callable[[SqliteBackend], None], restarts: bool
) -> None:
    sqlite_backend.store.commit([make.change("A", events=2)])
    sqlite_backend.store.commit([make.change("B", events=2)])

    delete(sqlite_backend)
    if restarts:
        sqlite_backend.reopen()
    sqlite_backend.store.commit([make.change("C", events=2)])
    sqlite_backend.store.commit([Erasure(Fence("C", 2, 1), "then"), make.change("D", events=1)])

    rows = sqlite_backend.db.execute("SELECT number, profile_id FROM event WHERE profile_id > 'B'").fetchall()
    assert rows == [(9 if delete is erase_the_newest else 8, "D")]  # each erasure has a number too


def test_an_older_file_does_not_use_the_number_again_that_a_profile_names(tmp_path: Path, make: type[Make]) -> None:
    path = tmp_path / "old.db"
    old = open_database(path)
    migrations.apply(old, stop_before="numbers_that_are_never_given_twice")
    old.table("profile").insert({"id": "A", "seq": 9, "revision": 9, "doc": "{}", "last_event": 9})
    old.close()

    store = SqliteStore(path)
    store.commit([make.change("A", (9, 9), events=1)])

    assert open_database(path).execute("SELECT number, previous FROM event").fetchall() == [(10, 9)]
    store.close()


def test_a_chain_of_an_older_file_ends_where_events_are_deleted_whose_numbers_were_used_again(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    store, db = sqlite_backend.store, sqlite_backend.db
    store.commit([make.change("A", events=3)])
    db.execute("DELETE FROM event WHERE seq < 4")
    db.execute("UPDATE event_numbers SET used_up_to = 0")
    store.commit([make.change("A", (3, 1), events=1), make.change("B", events=5)])

    assert walked(db, "A") == [4]

    store.commit([Erasure(Fence("A", 4, 2), "then")])
    assert [event.profile_id for event in sqlite_backend.events()] == ["B"] * 5


def test_events_of_an_older_file_are_chained_when_it_is_opened(tmp_path: Path, make: type[Make]) -> None:
    path = tmp_path / "old.db"
    old = open_database(path)
    migrations.apply(old, stop_before="chain_of_each_profiles_events")
    fields = make.stored_event("A", 1)._fields[:-1]  # `rules` came later
    for profile_id, seq in [("A", 1), ("B", 1), ("A", 2), ("A", 3)]:
        old.table("event").insert(dict(zip(fields, make.stored_event(profile_id, seq)[:-1], strict=True)))
    for profile_id in "ABC":
        old.table("profile").insert({"id": profile_id, "seq": 0, "revision": 1, "doc": "{}"})
    old.close()

    store = SqliteStore(path)

    assert [walked(open_database(path), profile_id) for profile_id in "ABC"] == [[3, 2, 1], [1], []]
    store.close()
