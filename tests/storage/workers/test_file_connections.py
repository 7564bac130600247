import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.storage.workers.test_query_pool import reader
from tests.support.making import Make
from tests.support.stores import existing
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.log_renewal import is_log_in_use
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers import file_connections
from trackd.storage.workers.file_connections import FileConnections
from trackd.storage.workers.query_pool import QueryProcess
from trackd.telemetry.tally import Tally


class Opened:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SqliteStore(path)
        self.listings = SqliteListings(path)
        self.queries = QueryProcess(reader(path))
        self.tally = Tally()
        self.changes: list[bool] = []
        self.connections = FileConnections(self.store, self.listings, self.queries, self.changes.append, self.tally)


@pytest.fixture
async def opened(tmp_path: Path, make: type[Make]) -> AsyncIterator[Opened]:
    opened = Opened(tmp_path / "trackd.db")
    opened.store.commit([make.change("A", events=1)])
    yield opened
    await opened.queries.close()
    opened.connections.end(keep_log=False)


async def test_all_connections_are_closed_without_a_checkpoint_and_opened_again(opened: Opened) -> None:
    assert await opened.queries.read("count", "event") == 1
    assert opened.listings.profile("A")
    file = opened.path.read_bytes()

    opened.connections.close()
    await opened.connections.closed()

    assert not is_log_in_use(opened.path)
    assert opened.path.read_bytes() == file
    assert opened.path.with_name("trackd.db-wal").stat().st_size > 0
    assert (opened.changes, opened.tally.disk_failures) == ([True], 1)
    for read in (opened.store.profile, opened.listings.profile):
        with pytest.raises(StoreError):
            read("A")
    with pytest.raises(StoreError):
        await opened.queries.read("count", "event")

    opened.connections.reopen()
    assert existing(opened.store.profile("A")).seq == 1
    assert opened.listings.profile("A")
    assert await opened.queries.read("count", "event") == 1
    assert opened.changes == [True, False]


async def test_while_another_program_has_the_file_open_they_stay_closed(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_connections, "OTHERS_TIMEOUT_S", 0.0)
    code = f"import apsw; db = apsw.Connection({str(opened.path)!r}); print(db.execute('SELECT 1 FROM event').get)"
    with contextlib.closing(_Program(f"{code}; print(flush=True); input()")):
        opened.connections.close()
        with pytest.raises(StoreError, match=r"another program has .*trackd.db open"):
            await opened.connections.closed()
    await opened.connections.closed()


async def test_a_file_that_cannot_be_opened_again_leaves_them_closed(opened: Opened) -> None:
    opened.connections.close()
    moved = opened.path.rename(opened.path.with_name("moved"))
    with pytest.raises(StoreError):
        opened.connections.reopen()
    assert opened.changes == [True]
    moved.rename(opened.path)
    opened.connections.reopen()
    assert opened.store.profile("A")


class _Program:
    """A program that prints two lines, and ends when it is closed."""

    def __init__(self, code: str) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        for _ in range(2):
            self._process.stdout.readline()

    def close(self) -> None:
        self._process.communicate(b"\n")


async def test_at_the_end_the_log_is_copied_unless_it_must_be_kept(opened: Opened) -> None:
    opened.connections.end(keep_log=True)
    assert opened.path.with_name("trackd.db-wal").stat().st_size > 0


async def test_at_the_end_after_a_failure_the_log_is_kept(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    opened.connections.close()
    opened.connections.end(keep_log=False)
    assert opened.path.with_name("trackd.db-wal").stat().st_size > 0
    assert "the write-ahead log stays beside the file" in caplog.text
