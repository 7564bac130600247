import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from apsw import Connection

from tests.support.faulty_disk import FaultyDisk, install
from trackd.storage.sqlite.checkpointer import EARLY, WORTH_IT, Checkpointer
from trackd.storage.sqlite.connection import (
    USUAL_LOG_PAGES,
    DiskFailureError,
    connect,
    connect_for_writing,
    keep_log_at_close,
)

PAGE = 4096


class CountingConnection(Connection):
    checkpoints = 0

    def wal_checkpoint(self, dbname: str | None = None, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE) -> tuple[int, int]:
        self.checkpoints += 1
        return super().wal_checkpoint(dbname, mode)


class Log:
    """A database file whose log is filled page by page, and its checkpointer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = connect_for_writing(path, mode="rwc", synchronous="OFF")
        self.writer.execute("CREATE TABLE t (page BLOB)")
        self.own = CountingConnection(str(path))
        self.own.execute("PRAGMA synchronous = OFF")
        self.failures: list[DiskFailureError] = []
        self.checkpointer = Checkpointer(self.writer, self.own, self.failures.append)

    def fill(self, pages: int) -> None:
        self.writer.execute("BEGIN")
        self.writer.executemany("INSERT INTO t VALUES (zeroblob(?))", [(PAGE * 3 // 4,)] * pages)  # a page each
        self.writer.execute("COMMIT")
        self.checkpointer.after_commit()

    def state(self) -> tuple[int, int]:
        """Pages in the log, and those of them that are in the file too."""
        return self.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Any]:
    log = Log(tmp_path / "trackd.db")
    yield log
    log.writer.close()


def test_a_log_is_copied_before_it_has_its_full_length(log: Log) -> None:
    log.fill(EARLY + 100)
    log.checkpointer.close()

    pages, copied = log.state()
    assert EARLY <= copied == pages < USUAL_LOG_PAGES


def test_a_short_log_is_left_alone(log: Log) -> None:
    log.fill(EARLY // 2)
    log.checkpointer.close()

    pages, copied = log.state()
    assert 0 == copied < pages
    assert log.own.checkpoints == 0


def test_after_its_checkpoints_the_log_begins_anew(log: Log) -> None:
    for _ in range(150):
        log.fill(40)
    log.checkpointer.close()
    log.fill(1)  # copies what is left
    log.fill(1)

    assert log.state()[0] < USUAL_LOG_PAGES


def test_a_log_at_its_full_length_is_copied_between_two_commits(log: Log) -> None:
    """Otherwise checkpoint after checkpoint would keep the log from starting over; here a reader does."""
    with contextlib.closing(connect(log.path, mode="ro")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchall()
        for _ in range(150):
            log.fill(40)
        log.checkpointer.close()

    assert log.state()[0] > USUAL_LOG_PAGES
    assert 1 <= log.own.checkpoints <= (USUAL_LOG_PAGES - EARLY) // WORTH_IT


def test_a_checkpoint_that_fails_is_logged_and_commits_go_on(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.own.close()
    log.fill(EARLY + 100)
    log.fill(WORTH_IT)
    log.checkpointer.close()

    messages = [record.message for record in caplog.records]
    reason = "The connection has been closed"
    assert messages == [f"the write-ahead log cannot be copied into the file, trying again: {reason}"]
    assert log.failures == []
    assert log.writer.execute("SELECT count(*) FROM t").get == EARLY + 100 + WORTH_IT


def test_a_length_that_cannot_be_read_is_logged(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    closed = Connection(":memory:")
    closed.close()

    assert Checkpointer(closed, Connection(":memory:"), log.failures.append).after_commit() == 0

    assert "the length of the write-ahead log cannot be read" in caplog.text
    log.checkpointer.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    vfs = install(str(tmp_path / "disk"))
    yield disk
    vfs.unregister()


@pytest.fixture
def log_on_disk(disk: FaultyDisk, tmp_path: Path) -> Iterator[Any]:
    log = Log(tmp_path / "trackd.db")
    keep_log_at_close(log.writer)
    yield log
    log.writer.close()


def test_an_fsync_that_fails_in_the_thread_is_handed_on(log_on_disk: Log, disk: FaultyDisk) -> None:
    log_on_disk.own.execute("PRAGMA synchronous = FULL")
    disk.fail("database", "sync")
    log_on_disk.fill(EARLY)
    log_on_disk.checkpointer.close()

    assert [str(failure) for failure in log_on_disk.failures] == [
        "a checkpoint failed, disk I/O error (SQLITE_IOERR_FSYNC)"
    ]


def test_an_fsync_that_fails_between_two_commits_is_raised(log_on_disk: Log, disk: FaultyDisk) -> None:
    log_on_disk.writer.execute("PRAGMA synchronous = FULL")
    disk.fail("database", "sync")
    with pytest.raises(DiskFailureError):
        log_on_disk.fill(USUAL_LOG_PAGES)
    log_on_disk.checkpointer.close()


def test_a_full_disk_is_no_failure_of_it(log_on_disk: Log, disk: FaultyDisk, caplog: pytest.LogCaptureFixture) -> None:
    """The log has everything, and will be copied when there is room."""
    disk.fail("database", "write", errno.ENOSPC)
    log_on_disk.fill(USUAL_LOG_PAGES)
    assert log_on_disk.state()[1] == 0
    log_on_disk.fill(1)
    log_on_disk.checkpointer.close()

    pages, copied = log_on_disk.state()
    assert pages == copied > USUAL_LOG_PAGES
    assert "cannot be copied into the file, trying again" in caplog.text
