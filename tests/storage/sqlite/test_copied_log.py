"""A log that was copied with its file is known by the lock beside them, whatever the times of the two copies are."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.storage.sqlite.test_foreign_log import killed, refusal, running
from tests.support.making import Make
from tests.support.polling import wait_until
from trackd.storage.sqlite import foreign_log
from trackd.storage.sqlite.foreign_log import check_log
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.store import SqliteStore

__all__ = ["running"]


def copied_in_turn(path: Path, folder: Path, *names: str) -> Path:
    """The files as `cp -r` copies them, with the times of the copying: the file itself is the last one."""
    folder.mkdir()
    for name in names:
        shutil.copyfile(path.with_name(name), folder / name)
    copy, log = folder / path.name, folder / f"{path.name}-wal"
    shutil.copyfile(path, copy)

    def is_later() -> bool:
        copy.touch()
        return copy.stat().st_mtime > log.stat().st_mtime

    wait_until(is_later, "the time of the file is later")
    return copy


def test_a_log_that_was_copied_before_its_file_is_taken_when_the_lock_shows_that_it_is_a_copy(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = running
    store.commit([make.change("a", events=1)])
    left = killed(store, path, tmp_path / "killed")
    with DatabaseLock(left) as lock:
        lock.note_log("FULL")
    monkeypatch.setattr(foreign_log, "CLOCK_SLACK_S", 0.0)
    log, lock_file = f"{left.name}-wal", f"{left.name}-lock"

    copied = copied_in_turn(left, tmp_path / "copied", log, lock_file)
    check_log(copied)
    assert "written after the log" in refusal(copied_in_turn(left, tmp_path / "without", log))

    os.utime(copied, (copied.stat().st_mtime + 3600,) * 2)
    monkeypatch.setattr(time, "time", lambda: copied.stat().st_mtime)
    assert "written after the log" in refusal(copied), "an hour later"
    monkeypatch.undo()
    stopped = Path(f"{copied}-wal").stat().st_mtime - 10
    os.utime(f"{copied}-wal", (stopped, stopped))
    os.utime(copied)
    assert "written after the log" in refusal(copied), "a copy with the old time of the log"


def test_a_file_that_was_put_beside_the_log_of_the_last_server_is_refused(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = running
    copy = shutil.copyfile(path, tmp_path / "copy.db")
    store.commit([make.change("a", events=1)])
    left = killed(store, path, tmp_path / "killed")
    with DatabaseLock(left) as lock:
        lock.note_log("FULL")
    stopped = Path(f"{left}-wal").stat().st_mtime - 10
    os.utime(f"{left}-wal", (stopped, stopped))
    shutil.copyfile(copy, left)
    monkeypatch.setattr(foreign_log, "COPY_SLACK_S", 60.0)
    assert "written after the log" in refusal(left)
    Path(f"{left}-lock").write_text("1\n1\n")
    check_log(left)
