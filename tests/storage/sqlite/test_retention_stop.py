"""The stop of the retention, and the times that show whether a clock is right: the same in every store."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.storage.sqlite.test_retention import arrived, put_sessions
from tests.support.making import Make
from tests.support.stores import Backend, SqliteBackend
from trackd.core.changes import Outcome
from trackd.core.retention_changes import PutRetentionStop, RetentionStop
from trackd.storage.sqlite import retention_stop
from trackd.storage.sqlite.clock_confirmation import confirm
from trackd.storage.sqlite.connection import NoDatabaseError

FIRST, SECOND, THIRD = (f"2026-01-0{day}T12:00:00.000000Z" for day in (1, 2, 3))
AHEAD = "2099-01-01T00:00:00.000000Z"
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def test_the_newest_time_is_that_of_an_event_or_a_session_and_not_ahead_of_the_clock(
    backend: Backend, make: type[Make]
) -> None:
    store = backend.store
    assert store.newest_time(THIRD) is None
    store.commit([arrived(make, "B", [FIRST, SECOND, AHEAD])])
    assert store.newest_time(THIRD) == SECOND
    put_sessions(store, make, a=THIRD, b=AHEAD)
    assert store.newest_time(THIRD) == THIRD
    assert store.newest_time(SECOND) == SECOND
    assert store.newest_time("2100-01-01T00:00:00.000000Z") == AHEAD


def test_a_bounded_number_of_the_newest_rows_is_examined(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    sqlite_backend.store.commit([arrived(make, "A", [FIRST] + [AHEAD] * retention_stop.NEWEST_ROWS)])

    assert sqlite_backend.store.newest_time(THIRD) is None


def test_a_stop_is_kept_until_it_ends(backend: Backend) -> None:
    store = backend.store
    assert store.retention_stop() == RetentionStop(None, None)
    for after in (FIRST, None):
        assert store.commit([PutRetentionStop(after, None)]) == [Outcome.STORED]
        assert store.retention_stop() == RetentionStop(after, None)


def test_a_confirmation_ends_the_stop_and_refuses_one_that_was_decided_before_it(sqlite_backend: SqliteBackend) -> None:
    store = sqlite_backend.store
    store.commit([PutRetentionStop(FIRST, None)])

    assert confirm(sqlite_backend.path, NOW) == RetentionStop(FIRST, None)

    confirmed = "2026-02-01T00:00:00.000000Z"
    assert store.retention_stop() == RetentionStop(None, confirmed)
    assert store.commit([PutRetentionStop(SECOND, None)]) == [Outcome.STALE]
    assert store.commit([PutRetentionStop(SECOND, confirmed)]) == [Outcome.STORED]
    assert store.retention_stop() == RetentionStop(SECOND, confirmed)


def test_no_database_is_made_for_a_confirmation(tmp_path: Path) -> None:
    with pytest.raises(NoDatabaseError):
        confirm(tmp_path / "trackd.db", NOW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["x'b2'", "CAST(x'323032362db2' AS TEXT)", "''", "'no time'", "'0'"])
def test_a_damaged_time_is_not_the_newest_one(sqlite_backend: SqliteBackend, make: type[Make], value: str) -> None:
    sqlite_backend.store.commit([arrived(make, "A", [FIRST, SECOND, THIRD])])
    sqlite_backend.db.execute(f"UPDATE event SET inserted = {value} WHERE number > 1")

    assert sqlite_backend.store.newest_time(THIRD) == FIRST


def test_a_time_with_a_damaged_end_counts(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    sqlite_backend.store.commit([arrived(make, "A", [FIRST, SECOND])])
    sqlite_backend.db.execute("UPDATE event SET inserted = CAST(x'323032362d30312d3032b2' AS TEXT) WHERE number = 2")

    assert sqlite_backend.store.newest_time(THIRD) == "2026-01-02\ufffd"


def test_a_file_whose_row_of_the_retention_was_deleted_is_not_stopped_and_can_be_confirmed(
    sqlite_backend: SqliteBackend,
) -> None:
    sqlite_backend.db.execute("DELETE FROM retention")

    assert sqlite_backend.store.retention_stop() == RetentionStop()
    assert confirm(sqlite_backend.path, NOW) == RetentionStop()
    assert sqlite_backend.store.retention_stop().confirmed == "2026-02-01T00:00:00.000000Z"
