"""The faulty disk of these tests, on which others rely."""

import contextlib
import errno
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from apsw import Connection

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.faulty_disk import FaultyDisk, install
from trackd.storage.sqlite.connection import connect_for_writing

COUNT = "SELECT count(*) FROM t"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    """Also the disk of this process."""
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    vfs = install(str(tmp_path / "disk"))
    yield disk
    vfs.unregister()


@pytest.fixture
def db(disk: FaultyDisk) -> Iterator[Connection]:
    with contextlib.closing(connect_for_writing(disk.path, mode="rwc")) as db:
        db.execute("CREATE TABLE t (page BLOB)")
        yield db


def code(raised: pytest.ExceptionInfo[apsw.IOError]) -> object:
    return getattr(raised.value, "extendedresult", None)


def insert(db: Connection) -> None:
    db.execute("INSERT INTO t VALUES (zeroblob(3000))")


def after_power_loss(disk: FaultyDisk, rng: random.Random | None = None) -> int:
    """The number of rows in the files that a loss of power leaves."""
    image = disk.path.with_name("image.db")
    image.with_name("image.db-wal").unlink(missing_ok=True)
    image.unlink(missing_ok=True)
    disk.power_loss(image, rng)
    [check] = rows(image, "PRAGMA integrity_check")
    assert check["integrity_check"] == "ok"
    [count] = rows(image, COUNT)
    return int(count["count(*)"])


def test_an_operation_fails_as_often_as_planned(disk: FaultyDisk, db: Connection) -> None:
    disk.fail("log", "sync", after=1, times=2)
    disk.slow("log", "write", 0.001)
    insert(db)
    for _ in range(2):
        with pytest.raises(apsw.IOError) as raised:
            insert(db)
        assert code(raised) == apsw.SQLITE_IOERR_FSYNC
    insert(db)

    assert db.execute(COUNT).get == 2
    assert disk.faults() == [("log", "write"), ("log", "sync"), ("log", "sync")]


def test_a_fault_lasts_until_the_disk_is_mended(disk: FaultyDisk, db: Connection) -> None:
    disk.fail("log", "write", errno.ENOSPC, times=None)
    for _ in range(3):
        with pytest.raises(apsw.FullError):
            insert(db)
    disk.mend()
    insert(db)

    assert db.execute(COUNT).get == 1


def test_syncs_and_truncations_fail_too(disk: FaultyDisk, db: Connection) -> None:
    insert(db)
    disk.fail("database", "sync")
    with pytest.raises(apsw.IOError) as raised:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert code(raised) == apsw.SQLITE_IOERR_FSYNC
    disk.fail("log", "truncate")
    with pytest.raises(apsw.IOError) as raised:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert code(raised) == apsw.SQLITE_IOERR_TRUNCATE


def test_a_power_loss_leaves_what_was_synced(disk: FaultyDisk) -> None:
    with contextlib.closing(connect_for_writing(disk.path, mode="rwc")) as db:
        db.execute("CREATE TABLE t (page BLOB)")
    disk.record()
    with contextlib.closing(connect_for_writing(disk.path)) as db:
        for _ in range(3):
            insert(db)
        db.execute("PRAGMA synchronous = NORMAL")
        for _ in range(2):
            insert(db)

        assert after_power_loss(disk) == 3
        assert {after_power_loss(disk, random.Random(seed)) for seed in range(5)} <= {3, 4, 5}
    assert after_power_loss(disk) == 5


def test_a_failed_sync_loses_what_is_not_written_again(disk: FaultyDisk) -> None:
    """Although the program goes on reading it: a checkpoint whose sync failed, and the same one again."""
    with contextlib.closing(connect_for_writing(disk.path, mode="rwc")) as db:
        db.execute("CREATE TABLE t (page BLOB)")
    disk.record()
    with contextlib.closing(connect_for_writing(disk.path)) as db:
        insert(db)
        disk.fail("log", "sync")
        with pytest.raises(apsw.IOError):
            insert(db)
        assert after_power_loss(disk) == 1
        insert(db)
        assert after_power_loss(disk) == 2
        disk.fail("database", "sync")
        with pytest.raises(apsw.IOError):
            db.wal_checkpoint()
        assert after_power_loss(disk) == 2
    assert after_power_loss(disk) == 2


def test_a_server_and_its_processes_use_the_disk(start: Callable[..., RealServer], tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    server = start(**disk.environment)
    assert server.call("t").status_code == 200
    disk.fail("log", "write")
    assert server.call("t").status_code == 503
    assert disk.faults() == [("log", "write")]
