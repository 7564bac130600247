"""Old events and sessions are deleted step by step: the same tests for every store, and those of SQLite."""

from typing import Any

from msgspec.structs import replace

from tests.storage.sqlite.test_event_chain import walked
from tests.support.making import Make
from tests.support.stores import Backend, SqliteBackend, existing
from trackd.core.changes import Change, Changes, Erasure, Fence, Outcome
from trackd.core.documents import Session
from trackd.core.encoding import json_raw
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Swept
from trackd.storage.sqlite import retention
from trackd.storage.store import Store

STORED, DONE, STALE = Outcome.STORED, Outcome.DONE, Outcome.STALE
OLD, LIMIT, NEW = (f"2026-01-{day}T12:00:00.000000Z" for day in (10, 20, 30))


def arrived(
    make: type[Make], profile_id: str, times: list[str], was: tuple[int, int] = (0, 0), **fields: Any
) -> Changes:
    """A call whose events arrived at these times."""
    change = make.change(profile_id, was, events=len(times), **fields)
    events = [event._replace(inserted=time) for event, time in zip(change.events, times, strict=True)]
    return replace(change, events=tuple(events))


def put_sessions(store: Store, make: type[Make], **updated: Any) -> None:
    """A session for each name, last called at that time."""
    for key, time in updated.items():
        session = Session(key, "A", OLD, time, json_raw({}), json_raw({}))
        profile = store.profile("A")
        seq, revision = (profile.seq, profile.revision) if profile else (0, 0)
        change = Changes(Fence("A", seq, revision), make.profile("A", seq, revision + 1), session)
        assert store.commit([change]) == [STORED]


def left(store: Store, keys: str) -> str:
    return "".join(key for key in keys if store.session(key))


def numbers(backend: Backend, profile_id: str) -> list[int]:
    return [event.seq for event in backend.events() if event.profile_id == profile_id]


def test_old_events_are_deleted_and_those_that_are_left_keep_their_numbers(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [OLD, OLD, NEW]), arrived(make, "B", [NEW])])

    assert backend.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert (numbers(backend, "A"), numbers(backend, "B")) == ([3], [1])
    assert backend.store.commit([arrived(make, "A", [NEW], (3, 1))]) == [STORED]
    assert numbers(backend, "A") == [3, 4]


def test_a_step_deletes_at_most_its_limit_and_is_done_when_it_was_the_last(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [OLD] * 5 + [NEW])])

    assert backend.store.commit([DeleteEvents(LIMIT, limit=2)]) == [STORED]
    assert numbers(backend, "A") == [3, 4, 5, 6]
    assert backend.store.commit([DeleteEvents(LIMIT, limit=2), DeleteEvents(LIMIT, limit=2)]) == [STORED, DONE]
    assert numbers(backend, "A") == [6]
    assert backend.store.commit([DeleteEvents(LIMIT, limit=2)]) == [DONE]
    assert numbers(backend, "A") == [6]


def test_no_event_is_deleted_that_stands_after_a_younger_one(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [OLD, NEW, OLD])])

    assert backend.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert numbers(backend, "A") == [2, 3]


def test_an_event_that_is_as_old_as_the_limit_stays(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [LIMIT])])

    assert backend.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert numbers(backend, "A") == [1]


def test_in_an_empty_store_there_is_nothing_to_delete(backend: Backend) -> None:
    assert backend.store.commit([DeleteEvents(LIMIT), DeleteSessions(LIMIT)]) == [DONE, DONE]


def test_when_all_events_of_a_profile_are_deleted_its_next_one_has_the_next_number(
    backend: Backend, make: type[Make]
) -> None:
    backend.store.commit([arrived(make, "A", [OLD, OLD])])

    backend.store.commit([DeleteEvents(LIMIT)])

    assert backend.events() == []
    assert existing(backend.store.profile("A")).seq == 2
    assert backend.store.commit([arrived(make, "A", [NEW], (2, 1))]) == [STORED]
    assert numbers(backend, "A") == [3]


def test_the_ids_of_deleted_events_go_with_them_and_no_others(backend: Backend, make: type[Make]) -> None:
    ids = {"A-1": 1, "A-2": 2, "unstored": None}
    backend.store.commit(
        [arrived(make, "A", [OLD, NEW], event_ids=ids), arrived(make, "B", [NEW], event_ids={"A-1": 1})]
    )

    backend.store.commit([DeleteEvents(LIMIT)])

    assert backend.store.known_events("A", ids) == {"A-2": 2, "unstored": None}
    assert backend.store.known_events("B", ["A-1"]) == {"A-1": 1}


def test_events_without_a_profile_are_deleted_too(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [OLD, NEW])])
    backend.store.commit([Erasure(Fence("A", 2, 1), NEW, keep_events=True)])
    assert len(backend.events()) == 2

    assert backend.store.commit([DeleteEvents(LIMIT)]) == [DONE]

    assert [(event.profile_id, event.inserted) for event in backend.events()] == [("", NEW)]


def test_sessions_are_deleted_by_the_time_of_their_last_call(backend: Backend, make: type[Make]) -> None:
    put_sessions(backend.store, make, a=OLD, b=NEW, c=LIMIT, d=OLD)

    assert backend.store.commit([DeleteSessions(LIMIT)]) == [DONE]

    assert left(backend.store, "abcd") == "bc"
    assert backend.store.profile("A") is not None


def test_each_step_examines_the_sessions_after_those_of_the_previous_step(backend: Backend, make: type[Make]) -> None:
    put_sessions(backend.store, make, a=NEW, b=OLD, c=OLD, d=OLD, e=OLD)
    step = DeleteSessions(LIMIT, limit=2)

    seen: list[Outcome | str] = []
    for _ in range(3):
        seen += backend.store.commit([step])
        seen.append(left(backend.store, "abcde"))

    assert seen == [STORED, "acde", STORED, "ae", DONE, "a"]


def test_after_its_end_the_walk_through_the_sessions_begins_again(backend: Backend, make: type[Make]) -> None:
    put_sessions(backend.store, make, a=NEW, b=NEW, c=NEW)
    step = DeleteSessions(LIMIT, limit=2)
    assert [backend.store.commit([step])[0] for _ in range(2)] == [STORED, DONE]

    assert [backend.store.commit([DeleteSessions("2027-01-01T00:00:00.000000Z", limit=2)])[0] for _ in range(2)] == [
        STORED,
        DONE,
    ]

    assert left(backend.store, "abc") == ""


def test_a_call_of_a_session_that_was_deleted_meanwhile_is_stale_and_begins_it_again_when_it_has_read(
    backend: Backend, make: type[Make]
) -> None:
    put_sessions(backend.store, make, S=OLD)
    backend.store.commit([DeleteSessions(LIMIT)])

    assert backend.store.commit([make.change("A", (0, 1), events=1, session="S", previous_owner="A")]) == [STALE]
    assert backend.store.commit([make.change("A", (0, 1), events=1, session="S")]) == [STORED]

    assert existing(backend.store.session("S")).profile_id == "A"


def test_deletions_and_calls_of_one_batch_are_written_in_their_order(backend: Backend, make: type[Make]) -> None:
    batch: list[Change] = [arrived(make, "A", [OLD]), DeleteEvents(LIMIT), arrived(make, "A", [OLD, NEW], (1, 1))]

    assert backend.store.commit(batch) == [STORED, DONE, STORED]

    assert numbers(backend, "A") == [2, 3]


def test_the_chain_of_a_profile_ends_at_its_first_event_that_is_left(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    store = sqlite_backend.store
    store.commit([arrived(make, "B", [OLD]), arrived(make, "A", [OLD, OLD, NEW, NEW])])

    store.commit([DeleteEvents(LIMIT)])

    assert (walked(sqlite_backend.db, "A"), walked(sqlite_backend.db, "B")) == ([4, 3], [])


def test_chains_lead_to_no_event_of_other_profiles_when_numbers_are_used_again(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    store, db = sqlite_backend.store, sqlite_backend.db
    store.commit([arrived(make, "A", [OLD] * 2), arrived(make, "B", [OLD] * 2)])
    store.commit([DeleteEvents(LIMIT)])

    store.commit([arrived(make, "B", [NEW] * 4, (2, 1))])

    assert (walked(db, "A"), walked(db, "B")) == ([], [6, 5, 4, 3])
    store.commit([arrived(make, "A", [NEW], (2, 1))])
    assert walked(db, "A") == [3]
    assert store.commit([Erasure(Fence("A", 3, 2), NEW)]) == [STORED]
    assert numbers(sqlite_backend, "B") == [3, 4, 5, 6]


def test_a_step_that_was_not_committed_is_repeated(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    store = sqlite_backend.store
    put_sessions(store, make, a=OLD, b=NEW, c=OLD)
    sqlite_backend.db.execute(
        "CREATE TRIGGER t BEFORE DELETE ON session WHEN OLD.id = 'c' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    step = DeleteSessions(LIMIT, limit=1)
    assert [store.commit([step])[0] for _ in range(3)] == [STORED, STORED, Outcome.FAILED]
    assert left(store, "abc") == "bc"

    sqlite_backend.db.execute("DROP TRIGGER t")

    assert [store.commit([step])[0] for _ in range(2)] == [STORED, DONE]
    assert left(store, "abc") == "b"


def test_the_bytes_of_deleted_events_and_sessions_are_overwritten_in_the_file(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    secret = {"properties": '{"email":"forget-me"}', "ip": "forget-me", "inserted": OLD}
    for seq in range(0, 200, 10):
        sqlite_backend.store.commit([make.change("A", (seq, seq // 10), events=10, event=secret)])
    session = Session("S", "A", OLD, OLD, json_raw({"name": "forget-me" * 2000}), json_raw({}))
    sqlite_backend.store.commit([Changes(Fence("A", 200, 20), make.profile("A", 200, 21), session)])
    sqlite_backend.reopen()
    assert b"forget-me" in sqlite_backend.path.read_bytes()

    assert sqlite_backend.store.commit([DeleteEvents(LIMIT), DeleteSessions(LIMIT)]) == [DONE, DONE]
    sqlite_backend.reopen()

    assert b"forget-me" not in sqlite_backend.path.read_bytes()


def test_a_step_reports_about_how_much_is_left(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [OLD] * 10 + [NEW])])
    put_sessions(backend.store, make, a=NEW, b=NEW, c=NEW)

    backend.store.commit([DeleteEvents(LIMIT, limit=4)])
    assert backend.store.swept == Swept(4, 6)
    backend.store.commit([DeleteSessions(LIMIT, limit=2)])
    assert backend.store.swept == Swept(0, 1)
    backend.store.commit([arrived(make, "B", [NEW])])
    assert backend.store.swept is None


def test_a_deletion_finds_its_event_ids_by_their_index(sqlite_backend: SqliteBackend) -> None:
    plan = [row[3] for row in sqlite_backend.db.execute(f"EXPLAIN QUERY PLAN {retention.DELETE_EVENT_IDS}", [7])]
    assert not any(step.startswith("SCAN event_id") for step in plan), plan
