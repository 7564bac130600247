"""Commits to a file on a disk whose fsyncs fail, and what a loss of power leaves of them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faulty_disk import FaultyDisk, install
from tests.support.making import Make
from tests.support.stores import existing
from trackd.core.changes import Change, Erasure, Fence, Outcome
from trackd.core.jobs import AddJob
from trackd.core.source_changes import AddSource
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.connection import DiskFailureError
from trackd.storage.sqlite.store import SqliteStore

STORED = Outcome.STORED


@pytest.fixture
def disk(tmp_path: Path, make: type[Make]) -> Iterator[FaultyDisk]:
    """With the profiles A, B and C, each with two events, and a source."""
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    store = SqliteStore(disk.path)
    store.commit([make.change(profile_id, events=2) for profile_id in "ABC"])
    store.close()
    disk.record()
    vfs = install(str(tmp_path / "disk"))
    yield disk
    vfs.unregister()


def left(disk: FaultyDisk, path: Path) -> SqliteStore:
    """The store that a loss of power leaves."""
    disk.power_loss(path)
    return SqliteStore(path)


LASTING: list[Change] = [
    Erasure(Fence("A", 2, 1), Make.later),
    AddSource(Make.source("shop")),
    AddJob("apply_rules", {}, Make.now),
]


@pytest.mark.parametrize("change", LASTING, ids=lambda change: type(change).__name__)
def test_what_a_loss_of_power_may_not_undo_is_synced_with_normal_too(
    disk: FaultyDisk, make: type[Make], tmp_path: Path, change: Change
) -> None:
    store = SqliteStore(disk.path, synchronous="NORMAL")
    store.commit([make.change("B", (2, 1), events=1)])
    assert store.commit([change, make.change("C", (2, 1), events=1)]) == [STORED, STORED]
    store.commit([make.change("B", (3, 2), events=1)])

    with contextlib.closing(left(disk, tmp_path / "left.db")) as found:
        seqs = [existing(found.profile(profile_id)).seq for profile_id in "BC"]
        assert seqs == [3, 3]  # not the last one, which is a call alone
        assert (found.profile("A") is None) == isinstance(change, Erasure)
        assert [source.id for source in found.sources()] == ["shop"] * isinstance(change, AddSource)
        assert len(found.jobs()) == isinstance(change, AddJob)
    store.close()


def test_after_a_failed_fsync_of_a_commit_the_log_is_not_copied(
    disk: FaultyDisk, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(disk.path)
    store.commit([make.change("B", (2, 1), events=1)])
    file = disk.path.read_bytes()
    disk.fail("log", "sync")
    with pytest.raises(DiskFailureError, match=r"a commit failed, disk I/O error .SQLITE_IOERR_FSYNC"):
        store.commit([make.change("B", (3, 2), events=1)])
    store.close()

    assert disk.path.read_bytes() == file
    assert disk.path.with_name("trackd.db-wal").exists()
    assert caplog.records == []


def test_a_log_that_cannot_be_copied_at_the_end_stays(
    disk: FaultyDisk, make: type[Make], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(disk.path)
    store.commit([make.change("B", (2, 1), events=1)])
    disk.fail("database", "sync")
    store.close()

    assert "the write-ahead log stays beside the file" in caplog.text
    assert disk.path.with_name("trackd.db-wal").stat().st_size > 0
    with contextlib.closing(left(disk, tmp_path / "left.db")) as found:
        assert existing(found.profile("B")).seq == 3


def test_a_write_that_fails_is_tried_again(disk: FaultyDisk, make: type[Make]) -> None:
    """It leaves nothing behind that an fsync could lose."""
    with contextlib.closing(SqliteStore(disk.path)) as store:
        disk.fail("log", "write")
        with pytest.raises(StoreError) as raised:
            store.commit([make.change("B", (2, 1), events=1)])
        assert not isinstance(raised.value, DiskFailureError)
        assert store.commit([make.change("B", (2, 1), events=1)]) == [STORED]
