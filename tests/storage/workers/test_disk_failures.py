"""The writer process on a disk whose fsyncs and checkpoints fail."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.storage.workers.test_writer_process import on_file, started, stored
from tests.support.faulty_disk import FaultyDisk
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.results import Results
from tests.support.stores import existing
from trackd.core.changes import Erasure, Fence, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.checkpointer import log_pages
from trackd.storage.sqlite.connection import connect, keep_log_at_close
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.writer_process import WriterProcess


class Others:
    """Notes what is done with the other connections. The first `refusals` times another program has the file open."""

    def __init__(self, refusals: int = 0) -> None:
        self.done: list[str] = []
        self._refusals = refusals

    def close(self) -> None:
        self.done.append("close")

    async def closed(self) -> None:
        if self._refusals:
            self._refusals -= 1
            raise StoreError("another program has it open")
        self.done.append("closed")

    def reopen(self) -> None:
        self.done.append("reopen")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    """The disk of an empty file, for processes that this one starts."""
    SqliteStore(tmp_path / "trackd.db").close()
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    disk.record()
    monkeypatch.setenv("PYTHONPATH", disk.environment["PYTHONPATH"])
    return disk


def after_power_loss(disk: FaultyDisk) -> list[tuple[str, int]]:
    image = disk.path.with_name("image.db")
    for file in image.parent.glob("image.db*"):
        file.unlink()
    disk.power_loss(image)
    return stored(image)


async def test_after_a_commit_whose_fsync_failed_the_process_is_started_again(
    disk: FaultyDisk, make: type[Make]
) -> None:
    others = Others(refusals=2)
    async with started(on_file(disk.path), others) as writer:
        await writer.commit(make.change("A", events=1))
        before = writer.pid
        disk.fail("log", "sync")
        failed = await writer.commit(make.change("B", events=1))
        assert str(failed.error) == "a commit failed, disk I/O error (SQLITE_IOERR_FSYNC)"
        ended = await writer.results.next()
        assert str(ended.error) == "the writer process ended with exit code 74"
        again = await writer.commit_when_running(make.change("C", events=1))
        assert again.outcomes == [Outcome.STORED]
        assert writer.pid != before
        assert others.done == ["close", "closed", "reopen"]
        # The log has the commit that failed, and all of it is on disk.
        assert after_power_loss(disk) == [("A", 1), ("B", 1), ("C", 1)]


async def test_after_a_checkpoint_that_failed_the_process_is_started_again(disk: FaultyDisk, make: type[Make]) -> None:
    others = Others()
    async with started(on_file(disk.path), others) as writer:
        await eventually(lambda: disk.path.with_name("trackd.db-wal").stat().st_size == 0, "the log is truncated")
        await writer.commit(make.change("A", events=1))
        disk.fail("database", "sync")
        await writer.commit(Erasure(Fence("A", 1, 1), make.later))
        failed = await writer.results.next()
        assert str(failed.error) == "a checkpoint failed, disk I/O error (SQLITE_IOERR_FSYNC)"
        await writer.results.next()  # its end
        again = await writer.commit_when_running(make.change("B", events=1))
        assert again.outcomes == [Outcome.STORED]
    assert others.done == ["close", "closed", "reopen"]
    assert after_power_loss(disk) == [("B", 1)]


async def test_while_checkpoints_fail_the_process_does_not_start(
    disk: FaultyDisk, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    others = Others()
    async with started(on_file(disk.path), others) as writer:
        await writer.commit(make.change("A", events=1))
        disk.fail("database", "sync", times=2)
        disk.fail("log", "sync")
        await writer.commit(make.change("B", events=1))
        await writer.results.next()  # its end
        again = await writer.commit_when_running(make.change("C", events=1))
        assert again.outcomes == [Outcome.STORED]
    assert others.done == ["close", *["closed"] * 3, "reopen"]
    reason = "a checkpoint failed, disk I/O error (SQLITE_IOERR_FSYNC)"
    assert [record.message for record in caplog.records] == [
        f"the writer process does not start, trying again: {reason}"
    ] * 2


async def test_a_process_that_was_killed_and_meets_a_failing_disk_at_its_start_has_all_connections_closed(
    disk: FaultyDisk, make: type[Make]
) -> None:
    """With one left open the next start would copy only what the failed checkpoint had not copied."""
    others = Others()
    async with started(on_file(disk.path), others) as writer:
        await eventually(lambda: disk.path.with_name("trackd.db-wal").stat().st_size == 0, "the log is truncated")
        await writer.commit(make.change("A", events=1))
        disk.fail("database", "sync")
        os.kill(writer.pid, signal.SIGKILL)
        await writer.results.next()  # its end
        again = await writer.commit_when_running(make.change("B", events=1))
        assert again.outcomes == [Outcome.STORED]
    assert disk.faults() == [("database", "sync")]
    assert others.done == ["close", "closed", "reopen"]


async def test_a_last_checkpoint_that_fails_leaves_the_log_to_the_next_start(
    disk: FaultyDisk, make: type[Make]
) -> None:
    """With a reader at first, so that a part of the log is copied and not synced."""
    others = Others()
    log = disk.path.with_name("trackd.db-wal")
    with contextlib.closing(connect(disk.path, mode="rw")) as connection:
        keep_log_at_close(connection)
        async with started(on_file(disk.path), others) as writer:
            await writer.commit(make.change("A", events=50), make.change("B", events=1))
            connection.execute("BEGIN")
            assert connection.execute("SELECT count(*) FROM event").get == 51
            await writer.commit(make.change("C", events=1))
            await writer.commit(Erasure(Fence("B", 1, 1), make.later))
            with contextlib.closing(connect(disk.path, mode="rw")) as other:
                keep_log_at_close(other)
                other.execute("SELECT count(*) FROM event").fetchall()
                await eventually(lambda: log_pages(other)[1] > 0, "a part is copied")
            connection.execute("ROLLBACK")
            disk.fail("database", "sync")
            assert await writer.process.close(10)
        assert others.done == ["close"]
        assert log.stat().st_size > 0
        assert after_power_loss(disk) == [("A", 50), ("C", 1)]

    async with started(on_file(disk.path)) as writer:
        pass
    assert not log.exists()
    assert after_power_loss(disk) == [("A", 50), ("C", 1)]


async def test_a_start_on_a_disk_that_fails_has_the_reason(disk: FaultyDisk, make: type[Make]) -> None:
    others = Others()
    with contextlib.closing(SqliteStore(disk.path)) as store:
        store.commit([make.change("A", events=1)])
        disk.fail("database", "sync")
        with pytest.raises(StoreError, match=r"a checkpoint failed, disk I/O error \(SQLITE_IOERR_FSYNC\)"):
            await WriterProcess(on_file(disk.path), Results(), others=others).start()
        assert others.done == ["close"]
        assert existing(store.profile("A")).seq == 1
