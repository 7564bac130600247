import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.database import open_database
from tests.support.making import Make
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.damage_check import check_pages
from trackd.storage.sqlite.index_damage import is_of_indexes
from trackd.storage.sqlite.soundness import UnsoundError, check_after_unclean_end
from trackd.storage.sqlite.store import SqliteStore

PAGE = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """As after a kill."""
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    for number in range(20):
        store.commit([Make.change(f"P{number}", events=3, session=f"S{number}")])
    store.close()
    Path(f"{path}-wal").touch()
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        yield connection


def root_of(file: Path, name: str) -> int:
    with open_database(file) as db:
        root: int = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [name]).fetchone()[0]
    return root


def empty(file: Path, name: str) -> None:
    """Let a tree have no entries, though its pages have them."""
    at = (root_of(file, name) - 1) * PAGE + 3
    Path(f"{file}-wal").unlink(missing_ok=True)
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(b"\x00\x00")
    Path(f"{file}-wal").touch()


def test_the_message_names_reindex_when_only_an_index_is_damaged_and_that_mends_it(file: Path) -> None:
    empty(file, "session_by_profile")
    with pytest.raises(UnsoundError, match=r"an index of .* is damaged, and no row .*: stop the server, .* REINDEX`; "):
        check_after_unclean_end(file)
    with pytest.raises(UnsoundError, match=r"an index of .* is damaged"):
        check_pages(file, None, lambda: False)
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        connection.execute("REINDEX")
    assert check_pages(file, None, lambda: False) == []


@pytest.mark.parametrize("table", ["profile", "session"])
def test_damage_of_a_table_is_not_of_an_index(file: Path, table: str) -> None:
    empty(file, table)
    with pytest.raises(UnsoundError, match=r"is damaged .*: put a backup in its place"):
        check_after_unclean_end(file)
    with pytest.raises(UnsoundError, match=r"is damaged .*: put a backup in its place"):
        check_pages(file, None, lambda: False)


def test_each_line_of_all_faults_must_be_of_an_index(file: Path, connection: Connection) -> None:
    index, table = root_of(file, "session_by_profile"), root_of(file, "session")
    of_index = f"*** in database main ***\nTree {index} page 9 cell 0: Offset 1 out of range 2..3\n"
    assert is_of_indexes(connection, [of_index, "row 1 missing from index session_by_profile"])
    assert is_of_indexes(connection, ["wrong # of entries in index event_by_created"])
    assert is_of_indexes(connection, [f"{of_index}Fragmentation of 149 bytes reported as 0 on page 9"])
    assert not is_of_indexes(connection, [f"{of_index}Fragmentation of 149 bytes reported as 0 on page 9999"])
    assert not is_of_indexes(connection, [f"{of_index}Tree {table} page {table}: btreeInitPage() returns error 11"])
    assert not is_of_indexes(connection, [f"{of_index}Page 7: never used"])
    assert not is_of_indexes(connection, [of_index, "NULL value in session.id"])
    assert not is_of_indexes(connection, [])
