"""Rows whose time is ahead of the clock do not stop the deletion of old ones, and are reported."""

import pytest
from msgspec.structs import replace

from tests.storage.sqlite.test_retention import DONE, LIMIT, NEW, OLD, STORED, arrived, left, numbers, put_sessions
from tests.support.making import Make
from tests.support.stores import Backend, SqliteBackend
from trackd.core.changes import Outcome
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Swept
from trackd.storage import retention

AHEAD, FARTHEST, NOT_AHEAD = "2036-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"
EARLIER, EARLY = "2024-01-01T00:00:00.000000Z", "2025-01-01T00:00:00.000000Z"
STEP = DeleteEvents(LIMIT, latest=NOT_AHEAD)


def test_events_ahead_of_the_clock_do_not_stop_the_deletion_of_those_after_them(
    backend: Backend, make: type[Make]
) -> None:
    backend.store.commit([arrived(make, "A", [OLD, AHEAD, OLD]), arrived(make, "B", [AHEAD, NEW])])

    assert backend.store.commit([STEP]) == [DONE]

    assert (numbers(backend, "A"), numbers(backend, "B")) == ([], [1, 2])
    assert backend.store.swept == Swept(3, ahead=2, farthest=AHEAD)


def test_events_ahead_of_the_clock_stay_when_nothing_after_them_is_old(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [OLD, AHEAD, FARTHEST, NEW, AHEAD, OLD])])

    assert [backend.store.commit([STEP]) for _ in range(2)] == [[DONE], [DONE]]

    assert numbers(backend, "A") == [2, 3, 4, 5, 6]
    assert backend.store.swept == Swept(0, ahead=2, farthest=FARTHEST)


def test_when_the_clock_is_behind_nothing_is_deleted(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([arrived(make, "A", [NEW, NEW, NEW])])
    put_sessions(backend.store, make, a=NEW)

    assert backend.store.commit([DeleteEvents(EARLIER, latest=EARLY)]) == [DONE]
    assert backend.store.swept == Swept(0, ahead=3, farthest=NEW)
    assert backend.store.commit([DeleteSessions(EARLIER, latest=EARLY)]) == [DONE]
    assert backend.store.swept == Swept(0, ahead=1, farthest=NEW)

    assert numbers(backend, "A") == [1, 2, 3]


def test_many_events_ahead_of_the_clock_are_passed_in_several_steps(
    sqlite_backend: SqliteBackend, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EXAMINED_ROWS", 3)
    store, step = sqlite_backend.store, replace(STEP, limit=2)
    store.commit([arrived(make, "A", [AHEAD] * 7 + [OLD, AHEAD, NEW])])

    outcomes: list[Outcome] = []
    reports = []
    while outcomes[-1:] != [DONE]:
        outcomes += store.commit([step])
        reports.append(store.swept)

    assert numbers(sqlite_backend, "A") == [9, 10]
    assert [report.deleted for report in reports if report] == [0, 0, 2, 2, 2, 2, 0]
    assert reports[-1] == Swept(0, ahead=8, farthest=AHEAD)


def test_a_new_sweep_examines_anew_what_the_last_one_took_for_ahead_of_the_clock(
    sqlite_backend: SqliteBackend, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EXAMINED_ROWS", 2)
    store = sqlite_backend.store
    store.commit([arrived(make, "A", [NEW, NEW, OLD, NEW])])
    assert store.commit([DeleteEvents("2024", limit=1, latest="2025")]) == [STORED]

    assert store.commit([STEP]) == [DONE]  # the clock is right now: the first event is not old

    assert numbers(sqlite_backend, "A") == [1, 2, 3, 4]


def test_sessions_ahead_of_the_clock_stay_and_are_counted(backend: Backend, make: type[Make]) -> None:
    put_sessions(backend.store, make, a=AHEAD, b=OLD, c=FARTHEST, d=NEW, e=OLD)
    step = DeleteSessions(LIMIT, limit=2, latest=NOT_AHEAD)

    reports = []
    for _ in range(3):
        backend.store.commit([step])
        reports.append(backend.store.swept)

    assert left(backend.store, "abcde") == "acd"
    assert [(report.deleted, report.ahead, report.farthest) for report in reports if report] == [
        (1, 1, AHEAD),
        (0, 2, FARTHEST),
        (1, 2, FARTHEST),
    ]


@pytest.mark.parametrize("value", ["x'b2303236'", "CAST(x'b2303236ff' AS TEXT)", "''", "'no time'", "17"])
def test_an_unreadable_time_stops_no_deletion(sqlite_backend: SqliteBackend, make: type[Make], value: str) -> None:
    store = sqlite_backend.store
    store.commit([arrived(make, "A", [OLD, OLD, OLD, NEW])])
    put_sessions(store, make, a=OLD, b=OLD)
    sqlite_backend.db.execute(f"UPDATE event SET inserted = {value} WHERE number = 2")
    sqlite_backend.db.execute(f"UPDATE session SET updated = {value} WHERE id = 'a'")

    assert store.commit([STEP, DeleteSessions(LIMIT, latest=NOT_AHEAD)]) == [DONE, DONE]

    assert sqlite_backend.db.execute("SELECT seq FROM event WHERE profile_id = 'A'").fetchall() == [(4,)]
    assert sqlite_backend.db.execute("SELECT count(*) FROM session WHERE id = 'b'").fetchall() == [(0,)]
