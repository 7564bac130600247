import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faulty_disk import FaultyDisk, install
from trackd.config.settings import Limits
from trackd.storage.sqlite.checkpointer import checkpoint
from trackd.storage.sqlite.connection import LONG_LOG_PAGES, DiskFailureError, connect, connect_for_writing
from trackd.storage.sqlite.log_truncation import (
    IDLE_S,
    LONG_LOG_TIMEOUTS_MS,
    OVERDUE_S,
    PAUSE_FACTOR,
    PAUSE_S,
    LogTruncation,
)
from trackd.storage.sqlite.opened_files import OpenedFiles


class Log:
    """A database file, the truncation of its log, and a clock that moves while the truncation waits for input."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = connect_for_writing(path, mode="rwc", synchronous="OFF")
        self.writer.execute("CREATE TABLE t (text TEXT)")
        self.time = 100.0
        self.waits: list[float] = []
        self.arrived: list[bool] = []  # of the next waits; when there are no more, input arrives
        self.truncation = LogTruncation(self.writer, OpenedFiles(path, connection=self.writer), lambda: self.time)

    @property
    def bytes(self) -> int:
        return self.path.with_name("trackd.db-wal").stat().st_size

    def write(self, pages: int = 0) -> None:
        """`pages` are what it then looks as if the log had."""
        self.writer.execute("INSERT INTO t VALUES ('a secret')")
        checkpoint(self.writer)
        self.truncation.log_has(pages)

    @contextlib.contextmanager
    def reader(self) -> Iterator[None]:
        with contextlib.closing(connect(self.path, mode="ro")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM t").fetchall()
            yield

    def wait(self, *arrived: bool) -> list[float]:
        """Returns the seconds for which it waited each time."""
        self.waits, self.arrived = [], [*arrived]
        self.truncation.wait_for_input(self.arrives)
        return self.waits

    def arrives(self, seconds: float) -> bool:
        self.waits.append(seconds)
        is_there = self.arrived.pop(0) if self.arrived else True
        if not is_there:
            self.time += seconds
        return is_there


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Any]:
    log = Log(tmp_path / "trackd.db")
    yield log
    log.writer.close()


def test_the_log_of_an_earlier_process_is_truncated_in_the_first_idle_moment(log: Log) -> None:
    log.write()

    assert log.wait(False) == [IDLE_S]

    assert log.bytes == 0
    assert log.writer.execute("SELECT text FROM t").fetchall() == [("a secret",)]


def test_without_a_request_the_log_is_left_alone_and_nothing_waits(log: Log) -> None:
    log.wait(False)
    log.write()

    assert log.wait(False) == []
    assert log.bytes > 0


def test_after_a_request_the_log_is_truncated_when_no_input_arrives(log: Log) -> None:
    log.wait(False)
    for _ in range(3):
        log.time += PAUSE_S
        log.write()
        log.truncation.request()
        assert log.wait(True) == [IDLE_S]
        assert log.bytes > 0

        assert log.wait(False) == [IDLE_S]
        assert log.bytes == 0


def test_two_requests_in_a_row_have_a_pause_between_their_truncations(log: Log) -> None:
    log.wait(False)
    log.write()
    log.truncation.request()

    assert log.wait(False) == [pytest.approx(PAUSE_S)]
    assert log.bytes == 0


def test_under_load_the_log_is_truncated_when_the_request_is_overdue(log: Log) -> None:
    log.wait(False)
    log.truncation.request()
    seconds = 0
    while log.bytes or not seconds:
        log.write()
        log.time += 1
        seconds += 1
        log.wait(True)

    assert OVERDUE_S < seconds <= OVERDUE_S + 1


def test_a_long_log_is_truncated_between_two_batches(log: Log) -> None:
    log.wait(False)
    log.write(LONG_LOG_PAGES - 1)
    assert log.wait(True) == []
    log.write(LONG_LOG_PAGES)
    log.time += PAUSE_S

    assert log.wait(True) == [IDLE_S]
    assert log.bytes == 0
    log.write(1)
    assert log.wait(True) == []


def test_after_a_wait_for_the_readers_of_a_long_log_commits_have_ten_times_as_long(log: Log) -> None:
    log.wait(False)
    log.writer.execute("INSERT INTO t VALUES ('a secret')")
    with log.reader():
        log.write()
        with log.reader():
            log.write(LONG_LOG_PAGES)
            log.time += 2 * PAUSE_S
            log.wait(True)
    pause = PAUSE_FACTOR * LONG_LOG_TIMEOUTS_MS[0] / 1000
    log.write(LONG_LOG_PAGES)
    log.time += pause - 0.1
    log.wait(True)
    assert log.bytes > 0
    log.time += 0.2
    log.wait(True)
    assert log.bytes == 0


def test_a_wait_for_readers_does_not_look_like_a_disk_that_hangs() -> None:
    assert max(LONG_LOG_TIMEOUTS_MS) < 1000 * Limits().slow_commit_s


def test_a_long_log_is_truncated_in_the_next_idle_moment(log: Log) -> None:
    log.wait(False)
    log.writer.execute("INSERT INTO t VALUES ('a secret')")
    with log.reader():
        log.write()
        log.write(LONG_LOG_PAGES)
        log.time += 2 * PAUSE_S
        log.wait(True)
    assert log.bytes > 0
    assert log.wait(False) == [pytest.approx(PAUSE_S)]
    assert log.bytes == 0


def test_for_a_long_log_nothing_waits_while_the_same_reader_stays(log: Log) -> None:
    log.wait(False)
    log.write()
    with log.reader():
        log.write(LONG_LOG_PAGES)
        log.time += 2 * PAUSE_S
        log.wait(True)  # an attempt
        log.time += 2 * OVERDUE_S
        for _ in range(3):
            log.write(LONG_LOG_PAGES)
            assert log.wait(True) == [IDLE_S]  # no pause, so there was no attempt
    assert log.wait(False) == [IDLE_S]
    assert log.bytes == 0


def test_a_disk_that_fails_is_no_reason_to_try_again(log: Log, tmp_path: Path) -> None:
    disk = FaultyDisk(log.path, tmp_path / "disk")
    vfs = install(str(tmp_path / "disk"))
    try:
        with contextlib.closing(connect_for_writing(log.path)) as db:
            db.execute("INSERT INTO t VALUES ('a secret')")
            disk.fail("database", "sync")
            with pytest.raises(DiskFailureError):
                LogTruncation(db, OpenedFiles(tmp_path / "trackd.db", connection=db)).wait_for_input(lambda _: False)
    finally:
        vfs.unregister()


def test_the_log_is_not_copied_into_a_file_that_was_overwritten(log: Log, tmp_path: Path) -> None:
    with contextlib.closing(connect_for_writing(tmp_path / "other.db", mode="rwc", synchronous="OFF")) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("CREATE TABLE other (text TEXT)")
    log.writer.execute("INSERT INTO t VALUES ('a secret')")
    overwriting = (tmp_path / "other.db").read_bytes()
    log.path.write_bytes(overwriting)  # it stays the same file

    log.wait(False)

    assert log.path.read_bytes() == overwriting


def test_the_log_is_truncated_once_its_reader_has_ended(log: Log) -> None:
    log.write()
    with contextlib.closing(connect(log.path, mode="ro")) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
        log.write()
        assert log.wait(False, False) == [IDLE_S, pytest.approx(PAUSE_S), pytest.approx(PAUSE_S)]
        assert log.bytes > 0
        assert reader.execute("SELECT count(*) FROM t").fetchall() == [(1,)]

    log.wait(False)
    assert log.bytes == 0


def test_a_truncation_that_fails_is_logged_once_and_tried_again(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.write()
    log.writer.execute("BEGIN")
    log.writer.execute("INSERT INTO t VALUES ('a secret')")

    log.wait(False, False)
    assert [record.message for record in caplog.records] == [
        "the write-ahead log cannot be truncated, trying again: database table is locked"
    ]
    log.writer.execute("COMMIT")
    log.wait(False)

    assert log.bytes == 0
    assert log.writer.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
