"""A command that asks whether a server runs holds the lock for a moment."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from trackd.storage.sqlite.lock import DatabaseLock


class WatchedLock(DatabaseLock):
    """A lock that sets an event when it was not free."""

    def __init__(self, database: Path, was_taken: threading.Event) -> None:
        super().__init__(database)
        self._was_taken = was_taken

    def _acquire(self, descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
        is_free = super()._acquire(descriptor, kind)
        if not is_free:
            self._was_taken.set()
        return is_free


def test_a_command_that_asks_for_the_holder_at_this_moment_keeps_no_server_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pid in the lock may be that of a running process: in containers it is often the same again."""
    monkeypatch.setattr("trackd.storage.sqlite.lock.LOOK_TIMEOUT_S", 30)
    database = tmp_path / "trackd.db"
    with DatabaseLock(database):
        pass
    asking = os.open(tmp_path / "trackd.db-lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    was_taken, entered = threading.Event(), threading.Event()

    def start() -> None:
        with WatchedLock(database, was_taken):
            entered.set()

    server = threading.Thread(target=start)
    server.start()
    assert was_taken.wait(30)
    os.close(asking)
    server.join(30)
    assert entered.is_set()
