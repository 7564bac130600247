import contextlib
import json
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.database import execute
from tests.support.making import Make
from tests.support.older_file import make_before, make_older_file
from tests.support.unprivileged import folder_for_all, without_privileges
from trackd.core.documents import Source
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.read_only_file import FileChangedError, ReadOnlyFile
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in which tests forbid to write."""
    with folder_for_all() as folder:
        yield folder


@pytest.fixture
def path(folder: Path) -> Path:
    """A closed database with the profile A."""
    path = folder / "trackd.db"
    store = SqliteStore(path)
    store.commit([Make.change("A", events=1)])
    store.close()
    path.chmod(0o644)
    return path


def profiles(path: Path) -> list[str]:
    with ReadOnlyFile(path) as file, file.errors():
        return [key for (key,) in file.connection.execute("SELECT id FROM profile ORDER BY id")]


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def keep_log(path: Path) -> None:
    """Store the profile B, and leave it in the log, as a killed server does."""
    store = SqliteStore(path)
    store.commit([Make.change("B", events=1)])
    assert store.profile("B")  # a connection that has read keeps the log
    store.close_and_keep_log()


@pytest.mark.parametrize("side_files", [[], ["trackd.db-wal"], ["trackd.db-wal", "trackd.db-shm"]])
def test_a_file_in_a_folder_that_is_not_writable_is_read_when_its_log_is_empty(
    path: Path, folder: Path, side_files: list[str]
) -> None:
    for name in side_files:
        (folder / name).touch()
    folder.chmod(0o555)
    with without_privileges():
        assert profiles(path) == ["A"]
    assert names(folder) == ["trackd.db", *sorted(side_files)]


def test_a_file_is_read_when_its_disk_has_no_room_for_the_shared_memory(path: Path, folder: Path) -> None:
    for name in ("trackd.db-wal", "trackd.db-shm"):
        (folder / name).touch()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        assert profiles(path) == ["A"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_log_that_cannot_be_read_is_not_left_out(path: Path, folder: Path) -> None:
    keep_log(path)
    (folder / "trackd.db-shm").unlink()
    folder.chmod(0o555)
    with without_privileges(), pytest.raises(DatabaseError) as refused:
        profiles(path)
    assert str(refused.value) == (
        f"The newest changes of {path} are in trackd.db-wal beside it, and cannot be read in a folder that this user "
        "may not write to: copy both files to another folder, and name the copy with --db."
    )
    assert names(folder) == ["trackd.db", "trackd.db-wal"]


def test_a_log_that_sqlite_can_read_is_not_left_out_either(path: Path, folder: Path) -> None:
    keep_log(path)
    folder.chmod(0o555)
    with without_privileges():
        assert profiles(path) == ["A", "B"]


def test_the_log_of_a_running_server_is_read_in_a_folder_that_is_not_writable(path: Path, folder: Path) -> None:
    store = SqliteStore(path)
    store.commit([Make.change("B", events=1)])
    folder.chmod(0o555)
    with without_privileges():
        assert profiles(path) == ["A", "B"]
        assert sum(found.number for found in audit(path, checks(rules_change_counters=False))) == 0
    store.close()


def test_a_file_that_this_user_may_not_read_is_named(path: Path) -> None:
    path.chmod(0)
    with without_privileges(), pytest.raises(DatabaseError, match=r"trackd\.db cannot be read .* may read it"):
        profiles(path)


@pytest.mark.parametrize("change", ["written", "replaced", "removed"])
def test_a_change_of_a_file_that_is_read_without_locks_is_seen(path: Path, folder: Path, change: str) -> None:
    shutil.copy(path, folder / "other.db")
    with ReadOnlyFile(path) as file:
        with file.errors():
            file.connection.execute("SELECT * FROM profile").fetchall()
        if change == "written":
            execute(path, "UPDATE profile SET seq = 7")
        elif change == "replaced":
            (folder / "other.db").replace(path)
        else:
            path.unlink()
        with pytest.raises(FileChangedError, match="was changed while it was read"), file.errors():
            file.connection.execute("SELECT * FROM profile").fetchall()


def test_a_server_that_starts_while_a_file_is_read_does_not_end_the_reading(path: Path) -> None:
    with ReadOnlyFile(path) as file, contextlib.closing(SqliteStore(path)) as store:
        store.commit([Make.change("B", events=1)])
        with file.errors():
            assert file.connection.execute("SELECT count(*) FROM profile").get == 1
    assert profiles(path) == ["A", "B"]


def test_an_older_file_is_read_from_a_copy_that_takes_no_room_in_its_folder(folder: Path) -> None:
    path = folder / "old.db"
    make_older_file(path)
    with ReadOnlyFile(path) as file, file.errors():
        [row] = file.connection.execute("SELECT last_event, reevaluated FROM profile")
        assert row == (2, None)
        assert file.connect() is file.connection
        assert names(folder) == ["old.db"]


def test_an_older_file_names_the_folder_for_temporary_files_when_that_has_no_room(folder: Path) -> None:
    path = folder / "old.db"
    make_older_file(path)
    execute(path, "UPDATE event SET properties = ?", json.dumps({"text": "x" * 4_000_000}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(DatabaseError, match=r"was written by an older trackd.*name another folder in TMPDIR"):
            ReadOnlyFile(path)
        with ReadOnlyFile(path, ["source"]) as file:
            assert file.connection.execute("SELECT id FROM source").get == "shop"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_only_the_rows_of_the_named_tables_are_copied(folder: Path) -> None:
    path = folder / "old.db"
    make_older_file(path)
    with ReadOnlyFile(path, ["source"]) as file, file.errors():
        counts = [file.connection.execute(f"SELECT count(*) FROM {table}").get for table in ("source", "event")]
    assert counts == [1, 0]


def test_an_older_file_with_tables_of_another_tool_is_read(folder: Path) -> None:
    path = folder / "old.db"
    make_older_file(path)
    for sql in (
        "CREATE VIRTUAL TABLE source_text USING fts5(name)",
        "CREATE VIEW names AS SELECT name FROM source",
        "CREATE TRIGGER seen AFTER UPDATE ON session BEGIN INSERT INTO source_text VALUES ('x'); END",
        "ALTER TABLE source ADD COLUMN colour TEXT",
    ):
        execute(path, sql)
    with ReadOnlyFile(path, ["source"]) as file, file.errors():
        assert file.connection.execute("SELECT id FROM source").get == "shop"


def test_an_older_file_is_read_while_a_server_of_its_version_writes_to_it(folder: Path) -> None:
    path = folder / "old.db"
    db = make_before(path, "expiry_and_use_of_tokens")
    db.execute("PRAGMA journal_mode = WAL")
    db.table("token").insert({"name": "viewer", "hash": "h", "scopes": "read", "inserted": Make.now})
    assert (folder / "old.db-wal").stat().st_size > 0
    with ReadOnlyFile(path, ["token"]) as file, file.errors():
        assert file.connection.execute("SELECT name, expires FROM token").fetchall() == [("viewer", None)]
    db.close()


def test_sources_that_are_opened_to_read_cannot_be_changed(path: Path) -> None:
    with (
        Sources(path, read_only=True) as sources,
        pytest.raises(DatabaseError, match="attempt to write a readonly database"),
    ):
        sources.add(Source("s", "s"))
