"""`trackd backup` and `trackd restore`, run as a user does."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.exports import contents
from tests.support.making import Make
from trackd.storage.sqlite.store import SqliteStore

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]
Sentence = Callable[[Result, int], str]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The default database of the folder that commands run in: one profile, two events."""
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([Make.change("A", events=2)])
    store.close()
    return path


def done(result: Result) -> str:
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_a_backup_is_restored_and_what_was_there_is_kept(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    assert done(trackd("backup", "copy.db")) == ""
    expected = contents(db)
    store = SqliteStore(db)
    store.commit([Make.change("B", events=1)])
    store.close()

    assert sentence(trackd("restore", "copy.db"), 1) == (
        "trackd.db exists already: name another file with --db, or replace it with --force, which keeps it under "
        "another name."
    )
    restored, kept = done(trackd("restore", "copy.db", "--force")).splitlines()

    assert restored.startswith("Restored trackd.db from copy.db: 1 profile, 2 events, the last one of 2026-")
    name = kept.removeprefix("What was there is kept as ")
    assert contents(db) == expected
    assert len(contents(db.with_name(Path(name).name))["profile"]) == 2
    assert done(trackd("restore", name, "--db", "new.db")).startswith(f"Restored new.db from {name}: 2 profiles, 3 ev")


def test_a_restore_of_what_is_no_copy_is_refused(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    (db.parent / "notes.txt").write_text("hello " * 100)
    assert "There is no missing.db: name a file" in sentence(trackd("restore", "missing.db", "--force"), 1)
    assert "notes.txt is not a sound SQLite database" in sentence(trackd("restore", "notes.txt", "--force"), 1)
    assert "trackd.db is the database itself" in sentence(trackd("restore", "trackd.db", "--force"), 1)


def test_backups_are_kept_in_a_folder(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    names = {done(trackd("backup", "copies", "--keep", "2")).strip() for _ in range(3)}
    left = sorted(f"copies/{file.name}" for file in (db.parent / "copies").iterdir())

    assert len(names) == 3
    assert left == sorted(names)[1:] or len(left) == 2
    assert contents(db.parent / left[-1]) == contents(db)
    assert "keep several in a folder with --keep" in sentence(trackd("backup", "copies"), 1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["backup", "copies", "--keep", "0"], "greater than or equal to 1"),
        (["backup", "copies", "--keep", "2", "--force"], "replaces no file: leave --force out."),
        (["backup", "trackd.db", "--keep", "2"], "trackd.db is a file: name a folder for the copies."),
    ],
)
def test_wrong_usage_is_named(trackd: Trackd, db: Path, arguments: list[str], named: str) -> None:
    result = trackd(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in " ".join(result.stderr.replace("│", " ").split())
