"""The log after failed fsyncs, with a disk that takes away what they left behind."""

import contextlib
import logging
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.database import rows
from tests.support.faulty_disk import FaultyDisk, install
from tests.support.polling import wait_until
from trackd.storage.sqlite import log_renewal
from trackd.storage.sqlite.checkpointer import log_pages
from trackd.storage.sqlite.connection import (
    Connection,
    DiskFailureError,
    connect,
    connect_for_writing,
    keep_log_at_close,
)
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.log_renewal import is_log_in_use, renew_log
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    with contextlib.closing(connect_for_writing(disk.path, mode="rwc")) as db:
        db.execute("CREATE TABLE t (page BLOB)")
    disk.record()
    vfs = install(str(tmp_path / "disk"))
    yield disk
    vfs.unregister()


def opened(disk: FaultyDisk) -> contextlib.closing[Connection]:
    db = connect_for_writing(disk.path)
    keep_log_at_close(db)
    return contextlib.closing(db)


def insert(db: Connection) -> None:
    db.execute("INSERT INTO t VALUES (zeroblob(3000))")


def left(disk: FaultyDisk) -> int:
    """The number of rows after a loss of power, in a sound file."""
    image = disk.path.with_name("image.db")
    for file in disk.path.parent.glob("image.db*"):
        file.unlink()
    disk.power_loss(image)
    assert rows(image, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    [count] = rows(image, "SELECT count(*) AS n FROM t")
    return int(count["n"])


def test_a_commit_whose_fsync_failed_and_all_after_it_are_on_disk_once_the_log_is_renewed(disk: FaultyDisk) -> None:
    with opened(disk) as db:
        insert(db)
        disk.fail("log", "sync")
        with pytest.raises(apsw.IOError):
            insert(db)
    with opened(disk) as db:
        assert db.execute("SELECT count(*) FROM t").get == 2  # it can be read, and is not on disk
        assert left(disk) == 1
        disk.fail("database", "sync")
        with pytest.raises(DiskFailureError):
            renew_log(db, disk.path)
        assert left(disk) == 2
        insert(db)
        assert left(disk) == 3


def test_pages_whose_fsync_failed_are_copied_again_once_all_connections_were_closed(disk: FaultyDisk) -> None:
    with opened(disk) as db:
        for _ in range(20):
            insert(db)
        with contextlib.closing(connect(disk.path, mode="ro")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM t").fetchall()
            insert(db)
            db.wal_checkpoint()  # a part, which is not synced
        disk.fail("database", "sync")
        with pytest.raises(apsw.IOError):
            db.wal_checkpoint()
    with opened(disk) as db:
        renew_log(db, disk.path)
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert left(disk) == 21


def test_without_a_log_nothing_is_written(disk: FaultyDisk) -> None:
    disk.fail("log", "sync", times=None)
    disk.fail("database", "write", times=None)
    with opened(disk) as db:
        renew_log(db, disk.path)


def test_a_log_that_cannot_be_written_is_a_failure_of_the_disk(disk: FaultyDisk) -> None:
    with opened(disk) as db:
        insert(db)
        disk.fail("log", "write")
        with pytest.raises(DiskFailureError, match=r"cannot be written again, .*SQLITE_IOERR_WRITE"):
            renew_log(db, disk.path)
        renew_log(db, disk.path)


def test_a_log_is_in_use_while_another_process_has_read_it(disk: FaultyDisk) -> None:
    assert not is_log_in_use(disk.path)
    with opened(disk) as db:
        insert(db)
    assert not is_log_in_use(disk.path)
    code = f"import apsw; db = apsw.Connection({str(disk.path)!r}); print(db.execute('SELECT * FROM t').get); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_until(lambda: is_log_in_use(disk.path), "the process reads")
    other.communicate(b"\n")
    assert not is_log_in_use(disk.path)


def test_a_log_of_any_length_is_written_again_in_parts_that_are_announced(
    disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_renewal, "SYNCED_BYTES", 2 * log_renewal.PIECE_BYTES)
    monkeypatch.setattr(log_renewal, "LONG_LOG_PAGES", 20)
    monkeypatch.setattr(log_renewal, "PROGRESS_S", 0)
    caplog.set_level(logging.INFO)
    steps: list[float] = []
    with opened(disk) as db:
        for _ in range(150):
            insert(db)
        disk.fail("log", "sync")
        with pytest.raises(apsw.IOError):
            insert(db)
    assert left(disk) == 150
    with opened(disk) as db:
        pages, _ = log_pages(db)
        renew_log(db, disk.path, steps.append)
    assert left(disk) == 151
    parts = math.ceil(pages * 4120 / (2 * log_renewal.PIECE_BYTES))
    assert parts > 2
    assert len(steps) == parts + 1, "and the copy into the file"
    assert steps[-1] > log_renewal.PATIENCE_S + pages * 4096 / log_renewal.SLOWEST_DISK
    lines = [record.message for record in caplog.records]
    assert lines[0].startswith("the write-ahead log has ")
    assert len(lines) == parts + 2


def test_a_store_of_a_command_renews_the_log_that_an_unclean_end_left(tmp_path: Path) -> None:
    path, image = tmp_path / "trackd.db", tmp_path / "image.db"
    disk = FaultyDisk(path, tmp_path / "disk")
    open_for_writing(path).close()
    disk.record()
    vfs = install(str(tmp_path / "disk"))
    try:
        with contextlib.closing(connect_for_writing(path)) as db:
            keep_log_at_close(db)
            db.execute("INSERT INTO merged VALUES ('first', 'A')")
            disk.fail("log", "sync")
            with pytest.raises(apsw.IOError):
                db.execute("INSERT INTO merged VALUES ('left', 'A')")
        store = SqliteStore(path)
        store.renew_log()
        disk.power_loss(image)
        store.close()
    finally:
        vfs.unregister()
    assert rows(image, "SELECT id FROM merged") == [{"id": "first"}, {"id": "left"}]
