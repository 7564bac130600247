"""Commands that only read a database file: they leave it as it was, and make no file beside it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import execute, open_database, rows
from tests.support.making import Make
from tests.support.older_file import make_older_file
from trackd.core.documents import Source, TokenScope
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens
from trackd.storage.transfer.backup import back_up

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]

READING = (
    ("source", "list"),
    ("source", "show", "shop"),
    ("token", "list"),
    ("verify",),
    ("export",),
    ("export", "--table", "event", "--format", "csv"),
    ("profile", "show", "A"),
    ("profile", "export", "A"),
    ("backup", "../copy.db"),
    ("rules", "check", "../rules.toml"),
    ("config",),
)
CHANGING = (("source", "disable", "shop"), ("token", "new", "t"), ("profile", "erase", "A"), ("rules", "apply"))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The path of a database in a folder of its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "rules.toml").write_text("")
    return tmp_path / "folder" / "trackd.db"


def make_file(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    store.commit([Make.change("A", events=2, session="S")])
    with Sources(path) as sources, Tokens(path) as tokens:
        sources.add(Source("shop", "The shop"))
        tokens.add("viewer", [TokenScope.READ])
    return store


def make_closed(path: Path) -> None:
    make_file(path).close()


def make_backup(path: Path) -> None:
    make_file(path.with_name("original.db")).close()
    back_up(path.with_name("original.db"), path, replace=False, on_bytes=lambda done, total: None)
    path.with_name("original.db").unlink()


def make_with_empty_log(path: Path) -> None:
    make_closed(path)
    path.with_name("trackd.db-wal").touch()


def make_with_log(path: Path) -> None:
    """As a server leaves it that is killed."""
    store = make_file(path)
    assert store.profile("A")  # a connection that has read keeps the log
    store.close_and_keep_log()
    assert path.with_name("trackd.db-wal").stat().st_size > 0


def content(folder: Path) -> dict[str, Any]:
    """Every file with its bytes and its time; the shared memory of SQLite has locks, and no data."""
    return {
        file.name: None if file.name.endswith("-shm") else (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.iterdir()
    }


@pytest.mark.parametrize("make", [make_closed, make_backup, make_with_empty_log, make_with_log, make_older_file])
def test_a_command_that_reads_leaves_every_kind_of_file_as_it_was(
    trackd: Trackd, db: Path, make: Callable[[Path], None]
) -> None:
    make(db)
    before = content(db.parent)
    for command in READING:
        if command[:2] == ("rules", "check"):
            continue
        options = () if command[0] == "config" else ("--db", db)
        arguments = [word.replace("..", str(db.parent.parent)) for word in command]
        result = trackd(*arguments, *options)
        assert (result.returncode, result.stderr) == (0, ""), command
        assert content(db.parent) == before, command


def test_an_older_file_is_read_as_it_will_be_after_its_upgrade(trackd: Trackd, db: Path) -> None:
    make_older_file(db)
    commands = [command for command in READING if command[0] in ("source", "token", "profile", "export", "verify")]
    before = [trackd(*command, "--db", db).stdout for command in commands]

    SqliteStore(db).close()

    assert before == [trackd(*command, "--db", db).stdout for command in commands]
    assert json.loads(before[1])["origins"] == ["https://shop.example"]


def test_a_backup_of_an_older_file_has_its_version(trackd: Trackd, db: Path, tmp_path: Path) -> None:
    make_older_file(db)
    assert trackd("backup", "copy.db", "--db", db).returncode == 0
    for table in ("_sqlite_migrations", "profile", "event"):
        assert rows(tmp_path / "copy.db", f"SELECT * FROM {table}") == rows(db, f"SELECT * FROM {table}")


def test_events_of_an_older_file_are_not_followed(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    make_older_file(db)
    for command in (["export", "--follow", "events"], ["tail"]):
        message = sentence(trackd(*command, "--db", db), 1)
        assert "was written by an older trackd (it lacks " in message
        assert "start `trackd serve` on it once" in message


def test_a_file_without_tables_is_no_database_and_is_not_filled(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    with open_database(db) as empty:
        empty.execute("VACUUM")
    before = content(db.parent)
    for command in (("source", "list"), ("verify",), ("token", "new", "t")):  # each waits for another that makes it
        message = sentence(trackd(*command, "--db", db), 1)
        assert message.startswith(f"{db} has no tables, it is no database of trackd: start `trackd serve` first")
        assert content(db.parent) == before


@pytest.mark.parametrize("command", CHANGING, ids=" ".join)
def test_a_command_that_changes_an_older_file_is_refused_while_a_server_of_that_version_runs(
    trackd: Trackd, sentence: Sentence, db: Path, command: tuple[str, ...]
) -> None:
    make_older_file(db)
    with DatabaseLock(db):
        before = content(db.parent)
        message = sentence(trackd(*command, "--db", db), 1)
        assert message.startswith(f"{db} is of an older trackd, which is running on it: ")
        assert content(db.parent) == before


def test_a_command_that_changes_an_older_file_without_a_server_upgrades_it(trackd: Trackd, db: Path) -> None:
    make_older_file(db)
    assert trackd("source", "disable", "shop", "--db", db).returncode == 0
    [source] = rows(db, "SELECT enabled, origins FROM source")
    assert source == {"enabled": 0, "origins": '["https://shop.example"]'}


def test_a_file_and_its_link_have_one_log(trackd: Trackd, db: Path, tmp_path: Path) -> None:
    make_with_log(db)
    (tmp_path / "link.db").symlink_to(db)
    assert trackd("source", "list", "--quiet", "--db", "link.db").stdout == "shop\n"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("link")] == ["link.db"]


def test_an_unreadable_row_of_another_tool_is_named(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    make_closed(db)
    execute(db, "UPDATE source SET origins = 'no JSON'")
    for command in ("list", "show shop"):
        message = sentence(trackd("source", *command.split(), "--db", db), 1)
        assert message.startswith("The source shop cannot be read (")
        assert message.endswith("): mend its row first.")
