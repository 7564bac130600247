"""Commits to an SQLite file when one change, the disk or the file is at fault."""

import logging
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.stores import SqliteBackend, existing
from trackd.core.changes import Change, Erasure, Fence, Outcome
from trackd.core.jobs import AddJob, Job, JobState, PutJob
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.core.source_changes import AddSource, RemoveSource
from trackd.storage.errors import StoreError

STORED, STALE, FAILED = Outcome.STORED, Outcome.STALE, Outcome.FAILED


@pytest.fixture
def backend(sqlite_backend: SqliteBackend) -> SqliteBackend:
    return sqlite_backend


@pytest.fixture
def picky(backend: SqliteBackend) -> SqliteBackend:
    """The database itself refuses events of the type `bad`."""
    backend.db.execute(
        "CREATE TRIGGER picky BEFORE INSERT ON event WHEN NEW.type = 'bad' BEGIN SELECT RAISE(ABORT, 'bad event'); END"
    )
    return backend


def test_one_bad_call_does_not_fail_its_batch(
    picky: SqliteBackend, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    batch = [
        make.change("A", events=2, session="S"),
        make.change("B", events=1, session="T", event={"type": "bad"}, event_ids={"e": 1}),
        make.change("C", events=1, session="U"),
    ]

    assert picky.store.commit(batch) == [STORED, FAILED, STORED]

    assert [event.id for event in picky.events()] == ["A-1", "A-2", "C-1"]
    assert picky.store.profile("B") is None
    assert picky.store.session("T") is None
    assert picky.store.known_events("B", ["e"]) == {}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_change_built_on_a_bad_call_is_stale(picky: SqliteBackend, make: type[Make]) -> None:
    batch = [
        make.change("A", events=1),
        make.change("A", (1, 1), events=1, event={"type": "bad"}),
        make.change("A", (2, 2), events=1),
    ]

    assert picky.store.commit(batch) == [STORED, FAILED, STALE]

    assert existing(picky.store.profile("A")).seq == 1


def test_a_change_built_on_a_bad_call_is_stale_even_if_another_process_wrote_as_much(
    picky: SqliteBackend, make: type[Make]
) -> None:
    """As if another process wrote the profile while the calls of a batch are committed one by one."""
    picky.db.execute(
        "CREATE TRIGGER other AFTER INSERT ON event WHEN NEW.type = 'next' BEGIN"
        " INSERT INTO profile (id, seq, revision, doc) VALUES ('A', 1, 1, '{}'); END"
    )
    batch = [
        make.change("A", events=1, event={"type": "bad"}),
        make.change("B", events=1, event={"type": "next"}),
        make.change("A", (1, 1), events=1),
    ]

    assert picky.store.commit(batch) == [FAILED, STORED, STALE]


def test_a_transaction_that_sqlite_itself_rolled_back_does_not_stop_later_ones(
    backend: SqliteBackend, make: type[Make]
) -> None:
    backend.db.execute(
        "CREATE TRIGGER t BEFORE INSERT ON event WHEN NEW.type = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'bad event'); END"
    )

    outcomes = backend.store.commit([make.change("A", events=1, event={"type": "bad"}), make.change("B", events=1)])

    assert outcomes == [FAILED, STORED]
    assert backend.store.commit([make.change("A", events=1)]) == [STORED]


@pytest.mark.parametrize(
    "bad",
    [
        {"event": {"type": "\udfff"}},
        {"event": {"created": None}},
        {"event_ids": {"e": 2**63}},
        {"event": {"properties": object()}},
        {"session": "\ud800"},
        {"session": "S", "event_ids": {"\ud800": 1}},
    ],
    ids=[
        "a lone surrogate in an event",
        "null in an event",
        "a number too large",
        "a value that JSON does not have",
        "a lone surrogate in a session's id",
        "a lone surrogate in an event's id",
    ],
)
def test_a_change_that_cannot_be_stored_fails_alone(
    backend: SqliteBackend, make: type[Make], bad: dict[str, Any]
) -> None:
    outcomes = backend.store.commit([make.change("A", events=1), make.change("B", events=1, **bad)])

    assert outcomes == [STORED, FAILED]
    assert [event.id for event in backend.events()] == ["A-1"]
    assert backend.store.profile("B") is None


def test_a_bad_call_alone_in_its_batch_fails_and_the_store_is_well(
    picky: SqliteBackend, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    assert picky.store.commit([make.change("A", events=1, event={"type": "bad"})]) == [FAILED]

    assert picky.store.profile("A") is None
    assert "bad event" in caplog.text
    assert picky.store.commit([make.change("A", events=1)]) == [STORED]


def test_a_full_disk_fails_the_whole_batch_and_nothing_of_it_is_stored(
    backend: SqliteBackend, make: type[Make]
) -> None:
    backend.store.commit([make.change("A", events=1)])
    batch = [make.change("A", (1, 1), events=1), make.change("B", events=100, event={"properties": "x" * 10_000})]
    backend.fill_disk()

    with pytest.raises(StoreError, match="full"):
        backend.store.commit(batch)

    assert existing(backend.store.profile("A")).seq == 1
    assert backend.store.profile("B") is None
    assert [event.id for event in backend.events()] == ["A-1"]


def test_a_batch_that_found_the_disk_full_is_stored_once_there_is_room(
    backend: SqliteBackend, make: type[Make]
) -> None:
    batch = [make.change("B", events=100, session="S", event={"properties": "x" * 10_000})]
    backend.fill_disk()
    with pytest.raises(StoreError):
        backend.store.commit(batch)

    backend.free_disk()

    assert backend.store.commit(batch) == [STORED]
    assert len(backend.events()) == 100


def test_a_heartbeat_writes_and_leaves_the_documents_alone(backend: SqliteBackend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1)])
    beats = backend.db.execute("SELECT beats FROM heartbeat").fetchone()[0]

    assert backend.store.commit([]) == []

    assert backend.db.execute("SELECT beats FROM heartbeat").fetchone()[0] == beats + 1
    assert backend.store.profile("A") == make.profile("A", 1)


def test_a_store_that_cannot_write_has_no_heartbeat(backend: SqliteBackend) -> None:
    backend.db.execute("DROP TABLE heartbeat")

    with pytest.raises(StoreError, match="cannot commit"):
        backend.store.commit([])


LATER = "2026-02-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Erasure(Fence("A", 1, 1), LATER), True),
        (Erasure(Fence("A", 1, 1), LATER, keep_events=True), True),
        (Erasure(Fence("A", 0, 1), LATER), False),
        (DeleteEvents(LATER), True),
        (DeleteEvents("2020-01-01T00:00:00.000000Z"), False),
        (DeleteSessions(LATER), True),
        (DeleteSessions("2020-01-01T00:00:00.000000Z"), False),
        (PutJob(Job(1, "kind", {}, JobState.DONE), LATER), True),
        (PutJob(Job(1, "kind", {"id": "A"}), LATER), False),
        (RemoveSource("source"), False),
        (Make.change("A", (1, 1), events=1), False),
    ],
)
def test_the_writer_notes_that_personal_data_was_deleted(
    backend: SqliteBackend, make: type[Make], change: Change, expected: bool
) -> None:
    writer = backend.store._writer
    writer.commit(
        [make.change("A", events=1, session="S"), AddJob("kind", {"id": "A"}, LATER), AddSource(make.source())]
    )
    assert not writer.has_deleted

    writer.commit([change])

    assert writer.has_deleted is expected


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE profile SET seq = x'00ff' WHERE id = 'A'",
        "UPDATE profile SET last_event = x'00ff' WHERE id = 'A'",
        "UPDATE profile SET revision = 'x' WHERE id = 'A'",
        "UPDATE session SET updated = x'00ff' WHERE id = 'S'",
        "UPDATE session SET updated = CAST(x'ff' AS TEXT) WHERE id = 'S'",
        "UPDATE session SET profile_id = CAST(x'ff' AS TEXT) WHERE id = 'S'",
    ],
)
def test_a_damaged_row_fails_its_own_change_and_no_other_of_the_batch(
    backend: SqliteBackend, make: type[Make], damage: str
) -> None:
    backend.store.commit([make.change("A", events=1, session="S")])
    backend.db.execute(damage)
    own = make.change("A", (1, 1), events=1, session="S", previous_owner="A")

    outcomes = backend.store.commit([make.change("B", events=1), own, make.change("C", events=1)])

    assert outcomes[::2] == [STORED, STORED]
    assert outcomes[1] is not STORED
    assert [event.id for event in backend.events()] == ["A-1", "B-1", "C-1"]


def test_a_damaged_row_that_is_met_often_has_one_log_line(
    backend: SqliteBackend, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    backend.store.commit([make.change("A", events=1)])
    backend.db.execute("UPDATE profile SET seq = x'00ff' WHERE id = 'A'")

    for _ in range(20):
        assert backend.store.commit([make.change("A", (1, 1), events=1)]) == [FAILED]

    assert len(caplog.records) == 1
