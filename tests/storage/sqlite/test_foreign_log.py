"""A log is refused when the file beside it is not the one that it was written for, and in no other state."""

import contextlib
import itertools
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.making import Make
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.foreign_log import ForeignLogError, check_log
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer.backup import back_up

Stored = Callable[..., Path]


def killed(store: SqliteStore, path: Path, folder: Path) -> Path:
    """The file and its log as a kill at this moment leaves them."""
    folder.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        shutil.copy2(f"{path}{suffix}", folder / f"{path.name}{suffix}")
    return folder / path.name


def backup_of(path: Path, copy: Path) -> Path:
    back_up(path, copy, replace=False, on_bytes=lambda done, total: None)
    return copy


def refusal(path: Path) -> str:
    with pytest.raises(ForeignLogError) as found:
        check_log(path)
    return str(found.value)


@pytest.fixture
def running(tmp_path: Path, make: type[Make]) -> Iterator[tuple[SqliteStore, Path]]:
    path = tmp_path / "running" / "trackd.db"
    path.parent.mkdir()
    store = SqliteStore(path)
    store.commit([make.change(f"old-{number}", events=1) for number in range(20)])
    store.close()
    store = SqliteStore(path)
    yield store, path
    with contextlib.suppress(apsw.ConnectionClosedError):  # the test has closed it
        store.close()


@pytest.mark.parametrize("calls", [1, 300])
def test_a_backup_put_beside_the_log_of_the_file_before_is_refused_and_stays_as_it_is(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make], calls: int
) -> None:
    store, path = running
    copy = backup_of(path, tmp_path / "copy.db")
    for number in range(calls):
        store.commit([make.change(f"new-{number}", events=1)])
    left = killed(store, path, tmp_path / "killed")
    check_log(left)

    shutil.copyfile(copy, left)

    assert "do not belong together: the file is a copy, or was closed, and has no log." in refusal(left)
    for opened in (open_for_writing, ReadOnlyFile):
        with pytest.raises(ForeignLogError, match=r"Put a copy there with `trackd restore COPY --db .* --force`"):
            opened(left)
    assert left.read_bytes() == copy.read_bytes()


def test_a_copy_with_a_log_of_its_own_that_is_too_old_for_the_log_is_refused(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]
) -> None:
    store, path = running
    store.commit([make.change("first", events=1)])
    copy = tmp_path / "copy.db"
    store.close()
    shutil.copyfile(path, copy)
    for number in range(3):
        store = SqliteStore(path)
        store.commit([make.change(f"new-{number}-{each}", events=3) for each in range(100)])
        if number < 2:
            store.close()
    left = killed(store, path, tmp_path / "killed")
    store.close()

    shutil.copyfile(copy, left)

    assert "changes between the two are missing" in refusal(left)


def test_a_file_of_the_same_age_that_lacks_pages_is_refused(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]
) -> None:
    store, path = running
    store.commit([make.change(f"new-{number}", events=1) for number in range(50)])
    left = killed(store, path, tmp_path / "killed")
    os.truncate(left, 8 * 4096)

    assert "pages of the database are in neither of them" in refusal(left)


def test_a_newer_file_is_refused(tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]) -> None:
    store, path = running
    store.commit([make.change("a", events=50)])
    left = killed(store, path, tmp_path / "killed")
    store.close()
    for number in range(5):
        store = SqliteStore(path)
        store.commit([make.change(f"b-{number}", events=50)])
        store.close()

    shutil.copyfile(path, left)

    assert "the file is newer" in refusal(left)


def test_a_copy_in_the_state_of_the_last_start_is_recognized_by_the_time_at_which_it_was_put_there(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]
) -> None:
    store, path = running
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    store.commit([make.change("a", events=1)])
    left = killed(store, path, tmp_path / "killed")
    assert left.read_bytes() == copy.read_bytes()
    log = Path(f"{left}-wal")
    stopped = log.stat().st_mtime - 60
    os.utime(log, (stopped, stopped))

    assert "written after the log, and not from it (if nobody put it there, `touch` the log" in refusal(left)
    log.touch()
    check_log(left)


def test_a_clock_that_was_set_back_does_not_look_like_a_copy(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]
) -> None:
    store, path = running
    store.close()
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE event SET inserted = '2999-01-01T00:00:00.000000Z'")
    store = SqliteStore(path)
    store.commit([make.change("a", events=1)])
    left = killed(store, path, tmp_path / "killed")
    store.close()
    log = Path(f"{left}-wal")
    os.utime(log, (log.stat().st_mtime - 60,) * 2)

    check_log(left)


def test_a_log_without_its_file_is_refused_and_kept(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]
) -> None:
    store, path = running
    store.commit([make.change("a", events=1)])
    left = killed(store, path, tmp_path / "killed")
    log = Path(f"{left}-wal")
    before = log.read_bytes()

    left.unlink()
    with pytest.raises(ForeignLogError, match="the file is missing"):
        open_for_writing(left)
    assert not left.exists()
    left.touch()
    with pytest.raises(ForeignLogError, match="the file is empty"):
        open_for_writing(left)

    assert log.read_bytes() == before


def test_a_log_without_commits_is_no_log(tmp_path: Path, stored: Path) -> None:
    log = Path(f"{stored}-wal")
    for content in (b"", b"\0" * 32, b"x" * 5_000):
        log.write_bytes(content)
        check_log(stored)
    check_log(tmp_path / "missing.db")


def test_frames_behind_the_end_of_the_log_do_not_count(
    tmp_path: Path, running: tuple[SqliteStore, Path], make: type[Make]
) -> None:
    """A power loss leaves frames of a commit that is not complete; a later commit overwrites some of them."""
    store, path = running
    store.commit([make.change("a", events=1)])
    before = Path(f"{path}-wal").stat().st_size
    store.commit([make.change(f"b-{number}", events=5) for number in range(100)])
    left = killed(store, path, tmp_path / "killed")
    log = bytearray(Path(f"{left}-wal").read_bytes())
    log[before + 1_000] ^= 1
    log[before + 24 + 4096 + 3] = 250  # a page that the file does not have
    Path(f"{left}-wal").write_bytes(log)

    check_log(left)
    with contextlib.closing(open_for_writing(left)) as connection:
        assert connection.execute("SELECT count(*) FROM profile").get == 21


@pytest.mark.parametrize("seed", range(5))
def test_no_state_that_a_kill_or_a_checkpoint_leaves_is_refused(tmp_path: Path, seed: int) -> None:
    """Several connections write, read, checkpoint, are closed and opened again; each state is copied and checked."""
    drawn = random.Random(seed)
    path = tmp_path / "trackd.db"
    connections = [open_for_writing(path) for _ in range(3)]
    for step in range(60):
        connection = drawn.choice(connections)
        match drawn.randrange(6):
            case 0:
                connection.wal_checkpoint(mode=drawn.choice([apsw.SQLITE_CHECKPOINT_PASSIVE]))
            case 1:
                with contextlib.suppress(apsw.BusyError):
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            case 2:
                connection.execute("DELETE FROM merged WHERE random() % 2")
            case 3:
                place = connections.index(connection)
                connection.close()
                connections[place] = open_for_writing(path)
            case _:
                rows = drawn.randrange(1, 60)
                connection.execute(
                    "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT ?1)"
                    " INSERT OR REPLACE INTO merged SELECT abs(random()) % 500, hex(randomblob(?2)) FROM n",
                    (rows, drawn.randrange(10, 3_000)),
                )
        check_log(path)
        if step % 5 == 0:
            for suffix in ("-wal", ""):
                if Path(f"{path}{suffix}").exists():
                    shutil.copy2(f"{path}{suffix}", tmp_path / f"copy.db{suffix}")
            check_log(tmp_path / "copy.db")
            Path(tmp_path / "copy.db-wal").unlink(missing_ok=True)
    for connection in connections:
        connection.close()


def test_a_file_that_a_server_writes_at_this_moment_is_never_refused(tmp_path: Path, make: type[Make]) -> None:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    checkpoints = open_for_writing(path)
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            store.commit([make.change(f"new-{number}", events=20)])
            checkpoints.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if stop.is_set():
                return

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(100):
            check_log(path)
    finally:
        stop.set()
        writing.join()
        checkpoints.close()
        store.close()
