"""What a restore puts in the place of a database file, what it keeps, and what it refuses."""

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.support.exports import contents, exported
from tests.support.interrupted import interrupt
from tests.support.making import Make
from trackd.core.changes import Changes
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest, Lost, Start
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.lock import DatabaseInUseError, DatabaseLock
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer.backup import back_up
from trackd.storage.transfer.restoring import Restored, restore

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEPT = "trackd.db.before-20260131T120000Z"


def restored(copy: Path, path: Path, *, force: bool = False) -> Restored:
    return restore(copy, path, replace=force, on_bytes=lambda done, total: None, now=lambda: NOON)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith("-lock"))


@pytest.fixture
def copy(tmp_path: Path, stored: Path) -> Path:
    path = tmp_path / "copies" / "copy.db"
    path.parent.mkdir()
    back_up(stored, path, replace=False, on_bytes=lambda done, total: None)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "trackd.db"


@pytest.fixture
def killed(path: Path, make: type[Make]) -> Path:
    """A file of which the newest changes are in its log alone, as a kill leaves it."""
    store = SqliteStore(path)
    store.commit([make.change("X", events=1, session="SX")])
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", f"{path}{suffix}.saved")
    store.close()
    for suffix in ("", "-wal"):
        Path(f"{path}{suffix}.saved").replace(f"{path}{suffix}")
    Path(f"{path}-shm").write_bytes(b"x" * 32_768)
    return path


def test_a_copy_takes_the_place_of_the_file_and_the_log_of_the_file_before_does_not_change_it(
    copy: Path, killed: Path
) -> None:
    done = restored(copy, killed, force=True)

    assert names(killed.parent) == ["trackd.db", KEPT, f"{KEPT}-wal"]
    assert contents(killed) == contents(copy)
    assert (done.contents.profiles, done.contents.events, done.kept) == (2, 5, killed.with_name(KEPT))
    assert [row[0] for row in contents(killed.with_name(KEPT))["profile"]] == ["X"]
    SqliteStore(killed).close()


def test_what_is_kept_can_be_restored_with_its_log(copy: Path, killed: Path) -> None:
    restored(copy, killed, force=True)
    done = restored(killed.with_name(KEPT), killed, force=True)

    assert [row[0] for row in contents(killed)["profile"]] == ["X"]
    assert done.kept == killed.with_name(f"{KEPT}-2")
    assert f"{KEPT}-wal" in names(killed.parent)


def test_a_file_that_is_there_is_replaced_only_with_force(copy: Path, killed: Path) -> None:
    before = {path: path.read_bytes() for path in killed.parent.iterdir() if not path.name.endswith("-lock")}
    with pytest.raises(DatabaseError, match=r"exists already: name another file with --db, or replace it with --force"):
        restored(copy, killed)
    assert {path: path.read_bytes() for path in before} == before


def test_a_missing_and_an_empty_file_need_no_force(copy: Path, path: Path) -> None:
    assert restored(copy, path).kept is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"")
    path.chmod(0o640)

    assert restored(copy, path).kept is None

    assert names(path.parent) == ["trackd.db"]
    assert contents(path) == contents(copy)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_log_without_its_file_is_kept_too(copy: Path, killed: Path) -> None:
    killed.unlink()
    restored(copy, killed)
    assert names(killed.parent) == ["trackd.db", f"{KEPT}-wal"]
    assert contents(killed) == contents(copy)


def test_a_copy_with_a_log_of_its_own_is_restored_with_what_is_in_the_log(copy: Path, killed: Path) -> None:
    before = [Path(f"{killed}{suffix}").read_bytes() for suffix in ("", "-wal")]

    restored(killed, copy, force=True)

    assert [row[0] for row in contents(copy)["profile"]] == ["X"]
    assert [Path(f"{killed}{suffix}").read_bytes() for suffix in ("", "-wal")] == before


def test_a_copy_in_the_middle_of_a_change_is_rolled_back_where_it_is_restored(copy: Path, path: Path) -> None:
    expected = contents(copy)
    interrupt(copy)
    before = copy.read_bytes()

    restored(copy, path)

    assert contents(path) == expected
    assert copy.read_bytes() == before
    assert Path(f"{copy}-journal").exists()


def test_a_copy_beside_the_log_of_another_file_is_refused(copy: Path, killed: Path, tmp_path: Path) -> None:
    shutil.copyfile(f"{killed}-wal", f"{copy}-wal")
    with pytest.raises(DatabaseError, match="do not belong together"):
        restored(copy, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_copy_of_an_older_version_is_restored_and_one_of_a_newer_is_refused(copy: Path, path: Path) -> None:
    with contextlib.closing(apsw.Connection(str(copy))) as connection:
        connection.execute("ALTER TABLE token DROP COLUMN expires")
        connection.execute("ALTER TABLE token DROP COLUMN used")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'expiry_and_use_of_tokens'")
    restored(copy, path)
    open_for_writing(path).close()
    with contextlib.closing(apsw.Connection(str(copy))) as connection:
        connection.execute("INSERT INTO _sqlite_migrations VALUES (99, 'trackd', 'from_the_future', '')")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"copy.db was written by a newer trackd \(it has from_the_future\)"):
        restored(copy, path, force=True)
    assert (path.read_bytes(), names(path.parent)) == (before, ["trackd.db"])


def damaged(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    copy.write_bytes(content)


def of_another_program(copy: Path) -> None:
    copy.unlink()
    with contextlib.closing(apsw.Connection(str(copy))) as connection:
        connection.execute("CREATE TABLE t (a)")


def export(copy: Path) -> None:
    copy.write_bytes(b"".join(exported(copy)))


def folder(copy: Path) -> None:
    copy.unlink()
    copy.mkdir()


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "damaged": (damaged, r"copy.db is not restored, it is damaged \(.*\): name an older copy"),
    "cut off": (lambda copy: os.truncate(copy, 5 * 4096), "is not restored, it is damaged|is not a sound SQLite"),
    "empty": (lambda copy: copy.write_bytes(b""), "copy.db is empty: name another copy"),
    "text": (lambda copy: copy.write_text("hello" * 100), "copy.db is not a sound SQLite database"),
    "another program": (of_another_program, "copy.db is a database of another program"),
    "export": (export, "copy.db is an export: read it with `trackd import`"),
    "missing": (lambda copy: copy.unlink(), "There is no .*copy.db: name a file"),
    "folder": (folder, "copy.db is not a file"),
}


@pytest.mark.parametrize(("break_", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_a_copy_that_is_no_sound_database_is_refused_and_everything_stays(
    copy: Path, killed: Path, break_: Callable[[Path], Any], expected: str
) -> None:
    before = {path: path.read_bytes() for path in killed.parent.iterdir() if not path.name.endswith("-lock")}
    break_(copy)
    with pytest.raises(DatabaseError, match=expected):
        restored(copy, killed, force=True)
    assert {path: path.read_bytes() for path in killed.parent.iterdir() if not path.name.endswith("-lock")} == before


def test_the_database_itself_is_no_copy_and_a_file_in_use_is_neither_replaced_nor_copied(
    copy: Path, killed: Path
) -> None:
    with pytest.raises(DatabaseError, match="is the database itself"):
        restored(killed, killed, force=True)
    with DatabaseLock(killed):
        with pytest.raises(DatabaseInUseError, match="is in use by another trackd"):
            restored(copy, killed, force=True)
        with pytest.raises(DatabaseError, match=r"is in use by a trackd: copy it with `trackd backup --db"):
            restored(killed, copy, force=True)


def test_a_link_stays_a_link(copy: Path, killed: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(killed)
    restored(copy, tmp_path / "link.db", force=True)
    assert (tmp_path / "link.db").is_symlink()
    assert contents(killed) == contents(copy)
    assert f"{KEPT}-wal" in names(killed.parent)


@pytest.mark.parametrize("step", range(12))
def test_a_restore_that_ends_at_any_step_keeps_everything_and_can_be_run_again(
    copy: Path, killed: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The program ends before the n-th change of a name, as by a kill: nothing is restored afterwards."""
    expected = contents(copy)
    steps = itertools.count()

    def counted(changed: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **options: Any) -> Any:
            if next(steps) >= step:
                raise SystemError  # also when it tidies up
            return changed(*arguments, **options)

        return change

    with monkeypatch.context() as patched, contextlib.suppress(SystemError):
        for name in ("rename", "replace", "unlink"):
            patched.setattr(Path, name, counted(getattr(Path, name)))
        restored(copy, killed, force=True)

    unfinished = Path(f"{killed}-restoring").exists()
    if unfinished:
        for opened in (open_for_writing, ReadOnlyFile):
            with pytest.raises(DatabaseError, match=r"A restore of .* was interrupted|There is no database"):
                opened(killed)
    elif contents(killed) != expected:
        assert [row[0] for row in contents(killed)["profile"]] == ["X"]
        return
    restored(copy, killed, force=True)
    assert contents(killed) == expected
    assert not Path(f"{killed}-restoring").exists()
    kept = [file for file in killed.parent.iterdir() if file.name.startswith("trackd.db.before-")]
    assert "X" in {row[0] for file in kept if file.suffix != "" and "-wal" not in file.name for row in profiles(file)}


def profiles(file: Path) -> list[tuple[Any, ...]]:
    return contents(file)["profile"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_the_new_file_has_the_owner_and_the_mode_of_the_one_before(copy: Path, killed: Path) -> None:
    os.chown(killed, 1234, 5678)
    killed.chmod(0o640)
    restored(copy, killed, force=True)
    found = killed.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 5678, 0o640)


def test_a_restored_copy_begins_another_history_and_cursors_up_to_it_are_still_known(
    copy: Path, path: Path, make: type[Make]
) -> None:
    def feed(after: Cursor | Start) -> FeedPage:
        with contextlib.closing(SqliteListings(path)) as listings:
            return listings.feed(FeedFilter(), FeedRequest(after))

    commit(path, make.change("A", events=1))
    back_up(path, copy, replace=True, on_bytes=lambda done, total: None)
    before = feed(Start.NOW).cursor
    commit(path, make.change("lost", events=1))
    lost = feed(Start.NOW).cursor
    restored(copy, path, force=True)
    commit(path, make.change("X", events=2))

    page = feed(before)
    assert (page.number, page.cursor.history != before.history) == (2, True)
    assert feed(lost).lost is Lost.REPLACED


def commit(path: Path, change: Changes) -> None:
    store = SqliteStore(path)
    store.commit([change])
    store.close()
