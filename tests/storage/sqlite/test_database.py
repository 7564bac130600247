import os
import re
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlite_utils import Database

from tests.support.database import open_database
from trackd.storage.errors import StoreError
from trackd.storage.sqlite import database
from trackd.storage.sqlite.connection import DatabaseError, NoDatabaseError, connect
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.file_format import MIGRATIONS
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.schema import migrations
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trackd.db"


def content(folder: Path) -> dict[str, Any]:
    """Every file of the folder with its bytes, without the shared memory and the empty log of a reading SQLite."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    return {
        name: bytes_ for name, bytes_ in files.items() if not name.endswith("-shm") and (bytes_ or "-wal" not in name)
    }


def assert_refused_untouched(path: Path, words: str) -> None:
    before = content(path.parent)
    for opens in (open_for_writing, SqliteStore):
        with pytest.raises(DatabaseError, match=words) as caught:
            opens(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert content(path.parent) == before


def make_foreign(path: Path, *, wal: bool = False, application_id: int = 0) -> Database:
    db = open_database(path)
    if wal:
        db.execute("PRAGMA journal_mode = WAL")
    db.table("notes").insert({"text": "mine"})
    db.execute(f"PRAGMA application_id = {application_id}")
    return db


def test_a_new_file_becomes_a_trackd_database(path: Path) -> None:
    connection = open_for_writing(path)

    assert connection.execute("PRAGMA application_id").fetchone() == (0x74726B64,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"profile", "session", "event", "source"} <= tables
    connection.close()


def test_an_empty_file_is_taken(path: Path) -> None:
    path.touch()

    open_for_writing(path).close()

    assert path.stat().st_size > 0


@pytest.mark.parametrize(("setting", "value"), [("NORMAL", 1), ("FULL", 2)])
def test_the_durability_is_as_set(path: Path, setting: str, value: int) -> None:
    connection = open_for_writing(path, synchronous=setting)

    assert connection.execute("PRAGMA synchronous").fetchone() == (value,)
    connection.close()


def test_every_commit_is_synced_unless_set_otherwise(path: Path) -> None:
    connection = open_for_writing(path)

    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_opening_again_changes_nothing(path: Path) -> None:
    open_for_writing(path).close()
    before = path.read_bytes()

    open_for_writing(path).close()

    assert path.read_bytes() == before


@pytest.mark.parametrize("wal", [False, True], ids=["rollback journal", "wal"])
@pytest.mark.parametrize("application_id", [0, 0x0F055112], ids=["unmarked", "marked"])
def test_a_database_of_another_program_is_refused_and_left_alone(path: Path, wal: bool, application_id: int) -> None:
    make_foreign(path, wal=wal, application_id=application_id).close()

    assert_refused_untouched(path, "database of another program")


def test_a_database_that_another_program_has_open_is_refused_and_left_alone(path: Path) -> None:
    db = make_foreign(path, wal=True)

    assert_refused_untouched(path, "database of another program")
    assert [row["text"] for row in db.table("notes").rows] == ["mine"]
    db.close()


def test_a_foreign_database_with_an_uncommitted_log_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "crashed").mkdir()
    db = make_foreign(tmp_path / "live" / "x.db", wal=True)
    for file in (tmp_path / "live").iterdir():
        if not file.name.endswith("-shm"):
            shutil.copy(file, tmp_path / "crashed")
    db.close()
    assert len(content(tmp_path / "crashed")) == 2

    assert_refused_untouched(tmp_path / "crashed" / "x.db", "another program")


@pytest.mark.parametrize(
    "garbage",
    [b"xy", b"not a database, though it is text\n", b"\x00" * 4096, bytes(range(256)) * 64, b"SQLite format 3\x00junk"],
    ids=["two bytes", "text", "zeros", "binary", "only the magic"],
)
def test_a_file_that_is_not_a_database_is_refused_and_left_alone(path: Path, garbage: bytes) -> None:
    path.write_bytes(garbage)

    assert_refused_untouched(path, "not a sound SQLite database")


def test_a_torn_database_is_refused_with_a_sentence(path: Path) -> None:
    open_for_writing(path).close()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192)
    before = path.read_bytes()

    with pytest.raises(DatabaseError, match=r"trackd\.db"):
        open_for_writing(path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_trackd_is_refused_by_name_and_left_alone(path: Path) -> None:
    open_for_writing(path).close()
    with open_database(path) as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "trackd", "name": "tables_of_tomorrow", "applied_at": "2099-01-01"}
        )

    assert_refused_untouched(path, "newer trackd .*tables_of_tomorrow")


def test_the_names_of_all_migrations_are_known_without_them() -> None:
    with open_database() as new:
        assert {migration.name for migration in migrations.pending(new)} == MIGRATIONS


def test_migrations_of_another_program_in_the_file_do_no_harm(path: Path) -> None:
    open_for_writing(path).close()
    with open_database(path) as db:
        db.table("_sqlite_migrations").insert({"migration_set": "plugin", "name": "theirs", "applied_at": "2099-01-01"})

    open_for_writing(path).close()


def test_the_error_for_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="check that its folder exists"):
        open_for_writing(tmp_path / "nowhere" / "trackd.db")
    assert content(tmp_path) == {}


def test_the_error_for_a_folder_in_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_for_writing(tmp_path)


@pytest.mark.parametrize("opens", [lambda path: open_for_writing(path, create=False), ReadOnlyFile])
def test_a_file_that_must_exist_is_not_made_and_the_error_names_where_it_was_sought(
    opens: Callable[[Path], object], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    for sought in (path, Path(path.name), path / "below.db"):
        with pytest.raises(NoDatabaseError, match=f"There is no database {re.escape(str(path.parent))}/"):
            opens(sought)
    assert content(path.parent) == {}


@pytest.mark.parametrize("opens", [lambda path: open_for_writing(path, create=False), ReadOnlyFile])
def test_an_empty_file_that_must_be_a_database_stays_empty(opens: Callable[[Path], object], path: Path) -> None:
    path.touch()
    with pytest.raises(NoDatabaseError, match="is empty, it is no database"):
        opens(path)
    assert content(path.parent) == {path.name: b""}


@pytest.mark.parametrize("opens", [lambda path: open_for_writing(path, create=False), ReadOnlyFile])
def test_a_folder_that_must_be_a_database_is_named(opens: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="it is not a file"):
        opens(tmp_path)


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "x#y.db", "žluťoučký.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    open_for_writing(tmp_path / name).close()

    assert (tmp_path / name).stat().st_size > 0
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_reading_connection_cannot_write(path: Path) -> None:
    open_for_writing(path).close()
    reader = connect(path, mode="ro")

    with pytest.raises(Exception, match="readonly"):
        reader.execute("DELETE FROM source")
    reader.close()


def test_a_new_file_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    errors = []

    def open_together(path: Path, barrier: Barrier) -> None:
        barrier.wait(30)
        try:
            open_for_writing(path).close()
        except DatabaseError as error:
            errors.append(error)

    for n in range(100):
        barrier = threading.Barrier(4)
        arguments = (tmp_path / f"{n}.db", barrier)
        threads = [threading.Thread(target=open_together, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert errors == []


def test_a_file_that_is_read_while_another_trackd_creates_its_tables_is_not_taken_for_a_broken_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_for_writing(tmp_path / "other.db").close()
    created = (tmp_path / "other.db").read_bytes()
    path.touch()
    writes = iter([created[:4096], created])  # its pages arrive one after the other

    def connect_meanwhile(*arguments: Any, **named: Any) -> Any:
        path.write_bytes(next(writes))
        return connect(*arguments, **named)

    monkeypatch.setattr(database, "connect", connect_meanwhile)
    open_for_writing(path).close()

    assert list(writes) == []


def test_a_database_error_is_a_store_error() -> None:
    assert issubclass(DatabaseError, StoreError)


@pytest.mark.parametrize("umask", [0o000, 0o027])
def test_a_new_file_and_its_side_files_are_for_their_owner_alone(tmp_path: Path, umask: int) -> None:
    (tmp_path / "link.db").symlink_to("trackd.db")
    before = os.umask(umask)
    try:
        store = SqliteStore(tmp_path / "link.db")
        store.commit([])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir() if not file.is_symlink()}
        store.close()
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(["trackd.db", "trackd.db-wal", "trackd.db-shm"], 0o600)


@pytest.mark.parametrize("empty", [True, False])
def test_an_existing_file_keeps_its_mode_and_gives_it_to_its_side_files(path: Path, empty: bool) -> None:
    if empty:
        path.touch()
    else:
        open_for_writing(path).close()
    path.chmod(0o640)

    store = SqliteStore(path)
    store.commit([])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    store.close()

    assert modes == dict.fromkeys(["trackd.db", "trackd.db-wal", "trackd.db-shm"], 0o640)
