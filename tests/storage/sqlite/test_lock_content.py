import os
from pathlib import Path

import pytest

from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.lock_content import NotedLog, noted_log


@pytest.fixture
def database(tmp_path: Path) -> Path:
    for name in ("t.db", "t.db-wal"):
        (tmp_path / name).touch()
    return tmp_path / "t.db"


def test_what_a_server_notes_of_its_log_stays_when_others_take_the_lock(database: Path) -> None:
    with DatabaseLock(database) as lock:
        assert noted_log(database) == NotedLog()
        lock.note_log("NORMAL")
        assert noted_log(database) == NotedLog(is_copied=False, synchronous="NORMAL")
    with DatabaseLock(database):
        content = database.with_name("t.db-lock").read_text()
    assert content == f"{os.getpid()}\n{Path(f'{database}-wal').stat().st_ino} NORMAL\n"
    Path(f"{database}-wal").rename(database.with_name("before"))
    Path(f"{database}-wal").touch()
    assert noted_log(database) == NotedLog(is_copied=True, synchronous="NORMAL")


def test_a_stop_that_leaves_no_log_leaves_no_note(database: Path) -> None:
    """The log of a later command, which makes no note, would look like a copy."""
    with DatabaseLock(database) as lock:
        lock.note_log("NORMAL")
        Path(f"{database}-wal").unlink()
    Path(f"{database}-wal").touch()
    assert noted_log(database) == NotedLog()


def test_without_a_lock_or_a_log_nothing_is_noted(database: Path) -> None:
    assert noted_log(database) == NotedLog()
    database.with_name("t.db-lock").symlink_to(database)
    assert noted_log(database) == NotedLog()
    database.with_name("t.db-lock").unlink()
    with DatabaseLock(database) as lock:
        Path(f"{database}-wal").unlink()
        lock.note_log("FULL")
    assert noted_log(database) == NotedLog()
