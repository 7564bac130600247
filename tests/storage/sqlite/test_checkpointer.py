import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from apsw import Connection

from trackd.storage.sqlite.checkpointer import LONG, WORTH_IT, Checkpointer
from trackd.storage.sqlite.connection import AUTOCHECKPOINT, connect, connect_for_writing

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
        self.checkpointer = Checkpointer(self.writer, self.own)

    def fill(self, pages: int) -> None:
        self.writer.execute("BEGIN")
        self.writer.executemany("INSERT INTO t VALUES (zeroblob(?))", [(PAGE * 3 // 4,)] * pages)  # a page each
        self.writer.execute("COMMIT")
        self.checkpointer.request_if_due()

    def state(self) -> tuple[int, int]:
        """Pages in the log, and those of them that are in the file too."""
        return self.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Any]:
    log = Log(tmp_path / "trackd.db")
    yield log
    log.writer.close()


def test_a_long_log_is_copied_before_sqlite_does_it_itself(log: Log) -> None:
    log.fill(LONG + 100)
    log.checkpointer.close()

    pages, copied = log.state()
    assert LONG <= copied == pages < AUTOCHECKPOINT


def test_a_short_log_is_left_alone(log: Log) -> None:
    log.fill(LONG // 2)
    log.checkpointer.close()

    pages, copied = log.state()
    assert 0 == copied < pages
    assert log.own.checkpoints == 0


def test_after_its_checkpoints_the_log_begins_anew(log: Log) -> None:
    for _ in range(150):
        log.fill(40)
    log.checkpointer.close()
    log.fill(1)  # SQLite copies what is left
    log.fill(1)

    assert log.state()[0] < AUTOCHECKPOINT


def test_a_log_at_its_full_length_is_left_to_sqlite(log: Log) -> None:
    """Otherwise checkpoint after checkpoint would keep the log from starting over; here a reader does."""
    with contextlib.closing(connect(log.path, mode="ro")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchall()
        for _ in range(150):
            log.fill(40)
        log.checkpointer.close()

    assert log.state()[0] > AUTOCHECKPOINT
    assert 1 <= log.own.checkpoints <= (AUTOCHECKPOINT - LONG) // WORTH_IT


def test_a_checkpoint_that_fails_is_logged_and_commits_go_on(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.own.close()
    log.fill(LONG + 100)
    log.fill(WORTH_IT)
    log.checkpointer.close()

    messages = [record.message for record in caplog.records]
    assert messages == ["a checkpoint failed: The connection has been closed"] * 2
    assert log.writer.execute("SELECT count(*) FROM t").get == LONG + 100 + WORTH_IT


def test_a_length_that_cannot_be_read_is_logged(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    closed = Connection(":memory:")
    closed.close()

    Checkpointer(closed, Connection(":memory:")).request_if_due()

    assert "the length of the write-ahead log cannot be read" in caplog.text
    log.checkpointer.close()
