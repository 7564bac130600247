import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.database import rows
from tests.support.faulty_disk import FaultyDisk, install
from tests.support.making import Make
from trackd.core.changes import Outcome
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.opened_files import MisplacedError, OpenedFiles
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer.backup import back_up

FILES = ("trackd.db", "trackd.db-wal", "trackd.db-shm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(folder / "trackd.db")
    yield store
    store.close_and_keep_log()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_moved_away_is_missed_until_it_is_back(store: SqliteStore, folder: Path, name: str) -> None:
    store.check()
    moved = (folder / name).rename(folder / "moved")
    with pytest.raises(MisplacedError, match=rf"{folder / name} was removed or moved away: "):
        store.check()
    moved.rename(folder / name)
    store.check()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_replaced_by_its_copy_is_another_one(store: SqliteStore, folder: Path, name: str) -> None:
    shutil.copy(folder / name, folder / "copy")
    (folder / "copy").replace(folder / name)
    with pytest.raises(MisplacedError, match=rf"{folder / name} was replaced by another file: "):
        store.check()


def test_files_are_missed_when_their_folder_is_moved_or_covered(store: SqliteStore, folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    with pytest.raises(MisplacedError, match="was removed or moved away"):
        store.check()
    folder.touch()
    with pytest.raises(MisplacedError, match="was removed or moved away"):
        store.check()
    assert store.sizes() == {"database": 0, "wal": 0}  # the metrics can still be read
    folder.unlink()
    moved.rename(folder)
    store.check()


def test_a_path_that_cannot_be_reached_is_no_place(store: SqliteStore, folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    folder.symlink_to(folder.name)
    with pytest.raises(MisplacedError, match=r"trackd\.db cannot be reached \(Too many levels of symbolic links\): "):
        store.check()
    folder.unlink()
    moved.rename(folder)


def test_a_link_that_leads_elsewhere_now_is_another_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        SqliteStore(tmp_path / name / "trackd.db").close()
    (tmp_path / "current").symlink_to("one")
    store = SqliteStore(tmp_path / "current" / "trackd.db")
    store.check()

    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("two")

    with pytest.raises(MisplacedError, match=r"current/trackd\.db was replaced by another file"):
        store.check()
    with pytest.raises(StoreError, match="in the file that was there before"):
        store.close()
    assert not (tmp_path / "one" / "trackd.db-wal").exists()


def test_another_file_than_the_expected_one_is_refused(store: SqliteStore, folder: Path) -> None:
    OpenedFiles(folder / "trackd.db", store.files.identity).check()
    other = OpenedFiles(folder / "trackd.db", "1:2")
    with pytest.raises(MisplacedError, match="is another file than the one that the server has open"):
        other.check()
    assert not other.has_own_database()


def test_files_that_are_gone_when_they_are_looked_at_first_are_missed(folder: Path) -> None:
    with pytest.raises(MisplacedError, match=r"trackd\.db cannot be reached \(No such file or directory\)"):
        OpenedFiles(folder / "trackd.db")


@pytest.mark.parametrize("name", FILES)
def test_a_commit_after_which_a_file_is_gone_fails(store: SqliteStore, folder: Path, name: str) -> None:
    assert store.commit([Make.change("A", events=1)]) == [Outcome.STORED]
    (folder / name).rename(folder / "moved")
    with pytest.raises(StoreError, match="was removed or moved away"):
        store.commit([Make.change("A", (1, 1), events=1)])
    with pytest.raises(StoreError, match="was removed or moved away"):
        store.commit([])


def events(path: Path) -> int:
    return len(rows(path, "SELECT * FROM event"))


def test_a_file_that_was_moved_away_gets_the_rest_of_its_log(folder: Path) -> None:
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=3)])
    moved = (folder / "trackd.db").rename(folder / "moved.db")

    with pytest.raises(StoreError, match=rf"{folder}/trackd\.db was removed, moved or replaced while the server ran: "):
        store.close()

    assert (folder / "trackd.db-wal").stat().st_size == 0
    assert events(moved) == 3


def test_a_file_that_took_the_place_of_another_gets_nothing_of_its_log(folder: Path) -> None:
    SqliteStore(folder / "other.db").close()
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=3)])
    other = (folder / "other.db").read_bytes()
    (folder / "other.db").replace(folder / "trackd.db")

    with pytest.raises(StoreError, match="was removed, moved or replaced"):
        store.close()

    assert (folder / "trackd.db").read_bytes() == other
    assert (folder / "trackd.db-wal").stat().st_size == 0


def copy_over(path: Path, content: bytes) -> None:
    """As `cp` does: the file stays the same, with other content."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)


@pytest.mark.parametrize("kind", ["backup", "older", "empty", "text"])
def test_a_file_that_is_overwritten_in_its_place_takes_no_commit_and_gets_nothing_of_its_log(
    folder: Path, kind: str
) -> None:
    path, log = folder / "trackd.db", folder / "trackd.db-wal"
    store = SqliteStore(path)
    older = path.read_bytes()
    store.commit([Make.change(f"P{number}", events=3) for number in range(100)])  # the file grows
    back_up(path, folder / "backup.db", replace=False, on_bytes=lambda done, total: None)
    store._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    store.commit([])
    store.check()
    other = {"backup": (folder / "backup.db").read_bytes(), "older": older, "empty": b"", "text": b"x" * 9000}[kind]
    before = log.read_bytes()

    copy_over(path, other)

    with pytest.raises(MisplacedError, match="was overwritten in its place: stop the server, and restore a backup"):
        store.check()
    with pytest.raises(StoreError, match="was overwritten in its place"):
        store.commit([Make.change("B", events=1)])
    with pytest.raises(StoreError, match=rf"{path} was overwritten while the server ran: restore a backup"):
        store.close()
    assert (path.read_bytes(), log.read_bytes()) == (other, before)


def test_a_file_that_is_checkpointed_all_the_time_is_never_taken_for_an_overwritten_one(store: SqliteStore) -> None:
    for number in range(30):
        store.commit([Make.change(f"P{number}", events=1)])
        store._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE if number % 3 else 0)
        store.check()


def test_a_log_that_was_removed_is_copied_at_the_next_commit(folder: Path) -> None:
    """After a kill it would be lost."""
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=3)])
    (folder / "trackd.db-wal").unlink()

    with pytest.raises(StoreError, match="was removed or moved away"):
        store.commit([])

    shutil.copy(folder / "trackd.db", folder / "killed.db")
    assert events(folder / "killed.db") == 3
    store.close()


def test_a_log_that_was_removed_is_copied_at_the_end(folder: Path) -> None:
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=3)])
    (folder / "trackd.db-wal").unlink()

    store.close()

    assert events(folder / "trackd.db") == 3


def test_a_log_that_was_removed_while_the_disk_was_full_is_copied_at_the_end_if_there_is_room(folder: Path) -> None:
    path = folder / "trackd.db"
    SqliteStore(path).close()
    disk = FaultyDisk(path, folder.with_name("disk"))
    vfs = install(str(folder.with_name("disk")))
    try:
        store = SqliteStore(path)
        store.commit([Make.change("A", events=3)])
        (folder / "trackd.db-wal").unlink()
        disk.fail("database", "write", errno.ENOSPC)
        with pytest.raises(StoreError, match="was removed or moved away"):
            store.commit([])
        assert disk.faults() == [("database", "write")]
        store.close()
    finally:
        vfs.unregister()

    assert events(path) == 3


def test_a_log_that_was_removed_and_cannot_be_copied_is_lost_and_that_is_told(folder: Path) -> None:
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=3)])
    store._writer._db.set_busy_timeout(0)
    listings = store.listings()
    with listings._reading() as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM event").get == 3
        store.commit([Make.change("A", (3, 1), events=3)])
        (folder / "trackd.db-wal").unlink()
        with pytest.raises(StoreError, match="the last calls that were answered were in it"):
            store.close()
    listings.close()


def test_the_log_of_another_file_at_the_same_path_stays(folder: Path) -> None:
    """Both files were replaced, as by a copy of a folder: SQLite would delete the log of the new one."""
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=3)])
    for name in FILES[:2]:
        shutil.copy(folder / name, folder / "copy")
        (folder / "copy").replace(folder / name)

    with pytest.raises(StoreError, match="was removed, moved or replaced"):
        store.close()

    (folder / FILES[2]).unlink()
    assert events(folder / "trackd.db") == 3


def test_lists_are_not_read_from_another_file(store: SqliteStore, folder: Path) -> None:
    store.commit([Make.change("A", events=3)])
    listings = store.listings()
    assert listings.count("event") == 3
    shutil.copy(folder / "trackd.db", folder / "copy")
    (folder / "copy").replace(folder / "trackd.db")

    assert listings.count("event") == 3
    with listings._reading(), pytest.raises(StoreError, match="was replaced by another file"):
        listings.count("event")
    listings.close()
