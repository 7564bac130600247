import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.exports import contents
from tests.support.making import Make
from tests.support.process import TRACKD
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer import backup as backups
from trackd.storage.transfer.backup import back_up

WRITE = """
import sys
from itertools import count
from pathlib import Path
from trackd.storage.sqlite.database import open_for_writing
db = open_for_writing(Path(sys.argv[1]), synchronous="OFF")
for number in count(1):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO merged VALUES (?, 'x')", (str(number),))
    db.execute("UPDATE heartbeat SET beats = ?", (number,))
    db.execute("COMMIT")
    if number == 100:
        print("writing", flush=True)
"""


def copied(path: Path, copy: Path, replace: bool = False) -> list[tuple[int, int]]:
    """Back up, and return the progress that was reported."""
    progress: list[tuple[int, int]] = []
    back_up(path, copy, replace=replace, on_bytes=lambda done, total: progress.append((done, total)))
    return progress


def test_a_backup_has_every_row_and_needs_no_other_file(tmp_path: Path, stored: Path) -> None:
    (tmp_path / "out").mkdir()
    copy = tmp_path / "out" / "copy.db"

    progress = copied(stored, copy)

    assert [path.name for path in copy.parent.iterdir()] == ["copy.db"]
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
    assert contents(copy) == contents(stored)
    assert progress[-1] == (copy.stat().st_size,) * 2
    SqliteStore(copy).close()


def test_a_backup_ends_and_has_one_snapshot_while_another_process_writes_all_the_time(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "PAGES_AT_ONCE", 1)
    writer = subprocess.Popen([sys.executable, "-c", WRITE, stored], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout
        assert writer.stdout.readline() == "writing\n"
        for number in range(5):
            copy = tmp_path / f"copy-{number}.db"
            progress = copied(stored, copy)
            assert len(progress) > 10
            with closing(sqlite3.connect(copy)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                beats = "SELECT beats, (SELECT count(*) FROM merged), (SELECT max(id + 0) FROM merged) FROM heartbeat"
                assert len(set(db.execute(beats).fetchone())) == 1
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()


def test_an_existing_file_is_replaced_only_with_replace(tmp_path: Path, stored: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("precious")

    with pytest.raises(DatabaseError, match=r"copy.db exists already: name another file, or replace it with --force\."):
        copied(stored, copy)
    assert copy.read_text() == "precious"

    copied(stored, copy, replace=True)
    assert contents(copy) == contents(stored)


def test_the_database_itself_is_never_the_copy(tmp_path: Path, stored: Path) -> None:
    (tmp_path / "link.db").symlink_to(stored)
    before = contents(stored)

    for name in (stored, tmp_path / "link.db"):
        with pytest.raises(DatabaseError, match="is the database itself"):
            copied(stored, name, replace=True)

    assert contents(stored) == before


def test_a_database_in_use_is_not_replaced(tmp_path: Path, stored: Path, make: type[Make]) -> None:
    other = tmp_path / "other.db"
    store = SqliteStore(other)
    store.commit([make.change("A", events=1)])

    with pytest.raises(DatabaseError, match=r"other.db-wal exists"):
        copied(stored, other, replace=True)

    store.close()
    copied(stored, other, replace=True)
    assert contents(other) == contents(stored)


def test_a_fault_leaves_no_copy(tmp_path: Path, stored: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(stored, tmp_path / "copy.db", replace=False, on_bytes=fail)
    assert list(tmp_path.glob("*copy*")) == []

    stored.write_bytes(stored.read_bytes()[:100] + b"x" * 5_000)
    with pytest.raises(DatabaseError):
        copied(stored, tmp_path / "copy.db")
    assert list(tmp_path.glob("*copy*")) == []


def damage(path: Path) -> None:
    """Overwrite a page in the middle of the file: it can be opened and copied, but not read."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)
        file.write(b"x" * 4096)


def test_a_damaged_file_is_not_copied_and_the_last_good_copy_stays(tmp_path: Path, stored: Path) -> None:
    copy = tmp_path / "copy.db"
    copied(stored, copy)
    good = copy.read_bytes()
    damage(stored)

    with pytest.raises(DatabaseError, match=r"stored.db is damaged \(.+\), and was not copied: look at it with"):
        copied(stored, copy, replace=True)

    assert copy.read_bytes() == good
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.db"]


def without_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM")


def new_database(path: Path) -> None:
    path.unlink()
    SqliteStore(path).close()


@pytest.mark.parametrize(
    ("empty", "expected"),
    [
        (without_tables, "is empty, it is no database|is no database of trackd|has no tables"),
        (new_database, "has no profile and no event, and .*copy.db has 2 and 5: name another file"),
    ],
)
def test_an_empty_file_does_not_replace_a_copy_that_is_not_empty(
    tmp_path: Path, stored: Path, empty: Callable[[Path], None], expected: str
) -> None:
    copy = tmp_path / "copy.db"
    copied(stored, copy)
    good = copy.read_bytes()
    empty(stored)

    with pytest.raises(DatabaseError, match=expected):
        copied(stored, copy, replace=True)

    assert copy.read_bytes() == good


def test_an_empty_database_is_copied_where_nothing_is_lost(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "new.db").close()
    copied(tmp_path / "new.db", tmp_path / "copy.db")
    copied(tmp_path / "new.db", tmp_path / "copy.db", replace=True)
    assert contents(tmp_path / "copy.db")["profile"] == []


def test_empty_side_files_of_the_replaced_copy_are_removed_with_it(tmp_path: Path, stored: Path) -> None:
    copy = tmp_path / "copy.db"
    copied(stored, copy)
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{copy}{suffix}").touch()

    copied(stored, copy, replace=True)

    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.db"]


def test_a_copy_with_a_journal_is_not_replaced(tmp_path: Path, stored: Path) -> None:
    copy = tmp_path / "copy.db"
    copied(stored, copy)
    Path(f"{copy}-journal").write_text("x")
    with pytest.raises(DatabaseError, match=r"copy\.db-journal exists"):
        copied(stored, copy, replace=True)


def test_a_disk_that_takes_no_more_is_told_of_the_copy_and_leaves_nothing(tmp_path: Path, stored: Path) -> None:
    (tmp_path / "copies").mkdir()
    copy = tmp_path / "copies" / "copy.db"
    script = f"ulimit -f 64; exec {TRACKD} backup {copy} --db {stored}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert re.fullmatch(r"trackd: .*copy.db cannot be written \(.+\): check its disk\.\n", result.stderr)
    assert list(copy.parent.iterdir()) == []


def test_a_file_that_cannot_be_copied_or_written_is_named(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(DatabaseError, match=r"There is no database .*missing\.db"):
        copied(tmp_path / "missing.db", tmp_path / "copy.db")
    with pytest.raises(DatabaseError, match=r"cannot be written: there is no folder"):
        copied(stored, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(DatabaseError, match=r"is not a file"):
        copied(stored, tmp_path, replace=True)


@pytest.mark.parametrize(
    ("original", "replaced", "expected"), [(0o600, None, 0o600), (0o664, None, 0o664), (0o600, 0o640, 0o640)]
)
def test_a_copy_has_the_mode_of_its_original_or_of_the_file_that_it_replaces(
    tmp_path: Path, stored: Path, original: int, replaced: int | None, expected: int
) -> None:
    copy = tmp_path / "copy.db"
    stored.chmod(original)
    if replaced is not None:
        copy.touch()
        copy.chmod(replaced)
    modes: set[int] = set()

    def look(done: int, total: int) -> None:
        modes.update(stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob(".copy*"))

    back_up(stored, copy, replace=True, on_bytes=look)

    assert modes == {0o700}  # of the folder in which it is made
    assert stat.S_IMODE(copy.stat().st_mode) == expected
