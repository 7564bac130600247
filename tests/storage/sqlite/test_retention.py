"""Old events and sessions are deleted step by step: told once for all stores."""

from typing import Any

from msgspec.structs import replace

from tests.storage.conftest import Make, MemoryShelf, SqliteShelf, WiredStore
from tests.storage.sqlite.test_event_chain import walked
from trackd.core.changes import Changes, DeleteEvents, DeleteSessions, Erasure, Fence, Outcome
from trackd.core.documents import Session
from trackd.core.encoding import json_raw
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore

STORED, DONE, STALE = Outcome.STORED, Outcome.DONE, Outcome.STALE
OLD, LIMIT, NEW = (f"2026-01-{day}T12:00:00.000000Z" for day in (10, 20, 30))


def arrived(
    make: type[Make], profile_id: str, times: list[str], was: tuple[int, int] = (0, 0), **fields: Any
) -> Changes:
    """A call whose events arrived at these times."""
    change = make.change(profile_id, was, events=len(times), **fields)
    events = [event._replace(inserted=time) for event, time in zip(change.events, times, strict=True)]
    return replace(change, events=tuple(events))


def put_sessions(store: MemoryStore | SqliteStore | WiredStore, make: type[Make], **updated: Any) -> None:
    """A session for each name, last called at that time."""
    for key, time in updated.items():
        session = Session(key, "A", OLD, time, json_raw({}), json_raw({}))
        profile = store.profile("A")
        seq, revision = (profile.seq, profile.revision) if profile else (0, 0)
        change = Changes(Fence("A", seq, revision), make.profile("A", seq, revision + 1), session)
        assert store.commit([change]) == [STORED]


def left(store: MemoryStore | SqliteStore | WiredStore, keys: str) -> str:
    return "".join(key for key in keys if store.session(key))


def numbers(shelf: MemoryShelf | SqliteShelf, profile_id: str) -> list[int]:
    return [event.seq for event in shelf.events() if event.profile_id == profile_id]


def test_old_events_are_deleted_and_those_that_are_left_keep_their_numbers(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([arrived(make, "A", [OLD, OLD, NEW]), arrived(make, "B", [NEW])])

    assert shelf.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert (numbers(shelf, "A"), numbers(shelf, "B")) == ([3], [1])
    assert shelf.store.commit([arrived(make, "A", [NEW], (3, 1))]) == [STORED]
    assert numbers(shelf, "A") == [3, 4]


def test_a_step_deletes_no_more_than_its_limit_and_says_when_it_was_the_last(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([arrived(make, "A", [OLD] * 5 + [NEW])])

    assert shelf.store.commit([DeleteEvents(LIMIT, limit=2)]) == [STORED]
    assert numbers(shelf, "A") == [3, 4, 5, 6]
    assert shelf.store.commit([DeleteEvents(LIMIT, limit=2), DeleteEvents(LIMIT, limit=2)]) == [STORED, DONE]
    assert numbers(shelf, "A") == [6]
    assert shelf.store.commit([DeleteEvents(LIMIT, limit=2)]) == [DONE]
    assert numbers(shelf, "A") == [6]


def test_no_event_is_deleted_that_stands_after_a_younger_one(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([arrived(make, "A", [OLD, NEW, OLD])])

    assert shelf.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert numbers(shelf, "A") == [2, 3]


def test_an_event_that_is_as_old_as_the_limit_stays(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([arrived(make, "A", [LIMIT])])

    assert shelf.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert numbers(shelf, "A") == [1]


def test_in_an_empty_store_there_is_nothing_to_delete(shelf: MemoryShelf | SqliteShelf) -> None:
    assert shelf.store.commit([DeleteEvents(LIMIT), DeleteSessions(LIMIT)]) == [DONE, DONE]


def test_when_all_events_of_a_profile_are_deleted_its_next_one_has_the_next_number(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([arrived(make, "A", [OLD, OLD])])

    shelf.store.commit([DeleteEvents(LIMIT)])

    assert shelf.events() == []
    assert shelf.store.profile("A").seq == 2
    assert shelf.store.commit([arrived(make, "A", [NEW], (2, 1))]) == [STORED]
    assert numbers(shelf, "A") == [3]


def test_the_ids_of_deleted_events_go_with_them_and_no_others(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    ids = {"A-1": 1, "A-2": 2, "unstored": None}
    shelf.store.commit([arrived(make, "A", [OLD, NEW], event_ids=ids), arrived(make, "B", [NEW], event_ids={"A-1": 1})])

    shelf.store.commit([DeleteEvents(LIMIT)])

    assert shelf.store.known_events("A", ids) == {"A-2": 2, "unstored": None}
    assert shelf.store.known_events("B", ["A-1"]) == {"A-1": 1}


def test_events_of_nobody_are_deleted_too(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([arrived(make, "A", [OLD, NEW])])
    shelf.store.commit([Erasure(Fence("A", 2, 1), NEW, keep_events=True)])
    assert len(shelf.events()) == 2

    assert shelf.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert [(event.profile_id, event.inserted) for event in shelf.events()] == [("", NEW)]


def test_sessions_are_deleted_by_the_time_of_their_last_call(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    put_sessions(shelf.store, make, a=OLD, b=NEW, c=LIMIT, d=OLD)

    assert shelf.store.commit([DeleteSessions(LIMIT)]) == [DONE]

    assert left(shelf.store, "abcd") == "bc"
    assert shelf.store.profile("A") is not None


def test_each_step_looks_at_the_sessions_after_those_of_the_step_before(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    put_sessions(shelf.store, make, a=NEW, b=OLD, c=OLD, d=OLD, e=OLD)
    step = DeleteSessions(LIMIT, limit=2)

    seen = []
    for _ in range(3):
        seen += shelf.store.commit([step])
        seen.append(left(shelf.store, "abcde"))

    assert seen == [STORED, "acde", STORED, "ae", DONE, "a"]


def test_after_its_end_the_walk_through_the_sessions_begins_again(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    put_sessions(shelf.store, make, a=NEW, b=NEW, c=NEW)
    step = DeleteSessions(LIMIT, limit=2)
    assert [shelf.store.commit([step])[0] for _ in range(2)] == [STORED, DONE]

    assert [shelf.store.commit([DeleteSessions("2027", limit=2)])[0] for _ in range(2)] == [STORED, DONE]

    assert left(shelf.store, "abc") == ""


def test_a_call_of_a_session_that_was_deleted_meanwhile_is_stale_and_begins_it_again_when_it_has_read(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    put_sessions(shelf.store, make, S=OLD)
    shelf.store.commit([DeleteSessions(LIMIT)])

    assert shelf.store.commit([make.change("A", (0, 1), events=1, session="S", previous_owner="A")]) == [STALE]
    assert shelf.store.commit([make.change("A", (0, 1), events=1, session="S")]) == [STORED]

    assert shelf.store.session("S").profile_id == "A"


def test_deletions_and_calls_of_one_batch_are_written_in_their_order(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    batch = [arrived(make, "A", [OLD]), DeleteEvents(LIMIT), arrived(make, "A", [OLD, NEW], (1, 1))]

    assert shelf.store.commit(batch) == [STORED, DONE, STORED]

    assert numbers(shelf, "A") == [2, 3]


def test_the_chain_of_a_profile_ends_at_its_first_event_that_is_left(
    sqlite_shelf: SqliteShelf, make: type[Make]
) -> None:
    store = sqlite_shelf.store
    store.commit([arrived(make, "B", [OLD]), arrived(make, "A", [OLD, OLD, NEW, NEW])])

    store.commit([DeleteEvents(LIMIT)])

    assert (walked(sqlite_shelf.db, "A"), walked(sqlite_shelf.db, "B")) == ([4, 3], [])


def test_chains_lead_to_no_event_of_others_when_numbers_are_given_away_again(
    sqlite_shelf: SqliteShelf, make: type[Make]
) -> None:
    store, db = sqlite_shelf.store, sqlite_shelf.db
    store.commit([arrived(make, "A", [OLD] * 2), arrived(make, "B", [OLD] * 2)])
    store.commit([DeleteEvents(LIMIT)])

    store.commit([arrived(make, "B", [NEW] * 4, (2, 1))])

    assert (walked(db, "A"), walked(db, "B")) == ([], [6, 5, 4, 3])
    store.commit([arrived(make, "A", [NEW], (2, 1))])
    assert walked(db, "A") == [3]
    assert store.commit([Erasure(Fence("A", 3, 2), NEW)]) == [STORED]
    assert numbers(sqlite_shelf, "B") == [3, 4, 5, 6]


def test_a_walk_whose_step_was_not_committed_takes_that_step_again(sqlite_shelf: SqliteShelf, make: type[Make]) -> None:
    store = sqlite_shelf.store
    put_sessions(store, make, a=OLD, b=NEW, c=OLD)
    sqlite_shelf.db.execute(
        "CREATE TRIGGER t BEFORE DELETE ON session WHEN OLD.id = 'c' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    step = DeleteSessions(LIMIT, limit=1)
    assert [store.commit([step])[0] for _ in range(3)] == [STORED, STORED, Outcome.FAILED]
    assert left(store, "abc") == "bc"

    sqlite_shelf.db.execute("DROP TRIGGER t")

    assert [store.commit([step])[0] for _ in range(2)] == [STORED, DONE]
    assert left(store, "abc") == "b"


def test_the_bytes_of_deleted_events_and_sessions_are_overwritten_in_the_file(
    sqlite_shelf: SqliteShelf, make: type[Make]
) -> None:
    secret = {"properties": '{"email":"forget-me"}', "ip": "forget-me", "inserted": OLD}
    for seq in range(0, 200, 10):
        sqlite_shelf.store.commit([make.change("A", (seq, seq // 10), events=10, event=secret)])
    session = Session("S", "A", OLD, OLD, json_raw({"name": "forget-me" * 2000}), json_raw({}))
    sqlite_shelf.store.commit([Changes(Fence("A", 200, 20), make.profile("A", 200, 21), session)])
    sqlite_shelf.reopen()
    assert b"forget-me" in sqlite_shelf.path.read_bytes()

    assert sqlite_shelf.store.commit([DeleteEvents(LIMIT), DeleteSessions(LIMIT)]) == [DONE, DONE]
    sqlite_shelf.reopen()

    assert b"forget-me" not in sqlite_shelf.path.read_bytes()
