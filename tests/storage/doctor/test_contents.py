"""The log, the tables and the newest event of a file, which is only read."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.database import execute
from tests.support.making import Make
from tests.support.older_file import make_older_file
from trackd.storage.doctor.contents import check_contents
from trackd.storage.doctor.finding import Finding, State
from trackd.storage.sqlite.connection import keep_log_at_close
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.lock import DatabaseLock

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def findings(path: Path, now: datetime | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_contents(path, now)}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A file of an older version with two events."""
    path = tmp_path / "trackd.db"
    make_older_file(path)
    return path


def test_a_file_that_is_missing_or_empty_is_made_by_the_first_start(tmp_path: Path) -> None:
    assert findings(tmp_path / "trackd.db")["tables"].state == State.OK
    (tmp_path / "trackd.db").touch()
    assert findings(tmp_path / "trackd.db")["tables"].state == State.OK


def test_a_file_of_an_older_version_is_named_with_the_disk_that_it_needs(older: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tables = findings(older)["tables"]
    assert (tables.state, tables.found.startswith("of an older trackd")) == (State.NOTE, True)
    assert "trackd backup" in tables.remedy
    assert "of free disk" in tables.remedy
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_disk_without_the_room_for_the_upgrade_is_a_warning(older: Path) -> None:
    with older.open("rb+") as file:
        file.truncate(1 << 42)  # which takes no room itself, and SQLite ignores
    tables = findings(older)["tables"]
    assert (tables.state, tables.remedy.endswith("are free: make room")) == (State.WARNING, True)


def test_a_file_of_a_newer_version_and_of_another_program_are_faults(older: Path, tmp_path: Path) -> None:
    open_for_writing(older).close()
    assert findings(older)["tables"].state == State.OK
    execute(older, "INSERT INTO _sqlite_migrations VALUES (99, 'trackd', 'tomorrow', '')")
    tables = findings(older)["tables"]
    assert (tables.state, "newer trackd (it has tomorrow)" in tables.found) == (State.FAULT, True)
    execute(tmp_path / "other.db", "CREATE TABLE t (a)")
    assert findings(tmp_path / "other.db")["tables"].state == State.FAULT
    (tmp_path / "text.db").write_text("no database" * 100)
    assert findings(tmp_path / "text.db")["tables"].state == State.FAULT


@pytest.mark.parametrize(
    ("clock", "state", "found"),
    [
        (timedelta(hours=-1), State.FAULT, "is 1 h behind the newest event"),
        (timedelta(seconds=-10), State.WARNING, "is 10.0 s behind the newest event"),
        (timedelta(), State.OK, "the newest event arrived"),
    ],
)
def test_a_clock_behind_the_newest_event_is_named(older: Path, clock: timedelta, state: State, found: str) -> None:
    now = datetime.now(UTC)
    execute(older, "UPDATE event SET inserted = ?", now.isoformat().replace("+00:00", "Z"))
    finding = findings(older, now + clock)["clock"]
    assert (finding.state, found in finding.found, bool(finding.remedy)) == (state, True, state != State.OK)


def test_without_events_the_time_of_the_file_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    open_for_writing(path).close()
    assert findings(path)["clock"].state == State.OK
    clock = findings(path, datetime.now(UTC) - timedelta(days=3))["clock"]
    assert (clock.state, "is 3 days behind the time" in clock.found) == (State.WARNING, True)


def test_a_damaged_time_and_a_stopped_retention_are_findings(older: Path) -> None:
    open_for_writing(older).close()
    execute(older, "UPDATE event SET inserted = CAST(x'ff00' AS TEXT)")
    execute(older, "UPDATE retention SET stopped_after = ?", Make.now)
    clock = findings(older)["clock"]
    assert (clock.state, clock.remedy.endswith("`trackd retention confirm`")) == (State.WARNING, True)


def test_the_log_of_a_killed_server_is_named_and_that_of_a_running_one_is_not(older: Path) -> None:
    assert findings(older)["log"].state == State.OK
    with DatabaseLock(older), contextlib.closing(open_for_writing(older)) as connection:
        keep_log_at_close(connection)
        assert "of the server that runs" in findings(older)["log"].found
    log = findings(older)["log"]
    assert (log.state, log.remedy.startswith("the next start copies it")) == (State.NOTE, True)


def test_a_log_of_another_file_is_a_fault(older: Path) -> None:
    with contextlib.closing(open_for_writing(older)) as connection:
        keep_log_at_close(connection)
    older.unlink()
    [finding] = findings(older).values()
    assert (finding.state, "do not belong together" in finding.found) == (State.FAULT, True)


def test_an_interrupted_restore_is_a_fault(older: Path) -> None:
    older.with_name("trackd.db-restoring").touch()
    [finding] = findings(older).values()
    assert (finding.state, "trackd restore" in finding.remedy) == (State.FAULT, True)
