"""A file in the middle of a change is rolled back by every command that opens it, or refused with a remedy."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.support.exports import contents, exported
from tests.support.interrupted import interrupt
from tests.support.making import Make
from tests.support.unprivileged import folder_for_all, without_privileges
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.connection import DatabaseError, connect
from trackd.storage.sqlite.rollback_journal import roll_back
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer.backup import back_up


def verified(path: Path) -> None:
    assert [findings.first for findings in audit(path, checks(rules_change_counters=False)) if findings.number] == []


OPENED: dict[str, Callable[[Path], Any]] = {
    "verify": verified,
    "export": exported,
    "backup": lambda path: back_up(path, path.with_name("copy.db"), replace=False, on_bytes=lambda done, total: None),
    "serve": lambda path: SqliteStore(path).close(),
    "source list": lambda path: Sources(path).__enter__().__exit__(None, None, None),
}


@pytest.fixture
def interrupted(stored: Path) -> Path:
    before = contents(stored)
    interrupt(stored)
    journal = Path(f"{stored}-journal")
    assert journal.stat().st_size > 0
    with closing(sqlite3.connect(f"{stored.as_uri()}?immutable=1", uri=True)) as db:
        assert db.execute("SELECT DISTINCT seq FROM profile").fetchall() == [(77,)]
    assert before
    return stored


@pytest.mark.parametrize("opened", OPENED.values(), ids=OPENED.keys())
def test_an_interrupted_change_is_rolled_back(interrupted: Path, opened: Callable[[Path], Any]) -> None:
    opened(interrupted)

    assert not Path(f"{interrupted}-journal").exists()
    assert [row[1] for row in contents(interrupted)["profile"]] == [3, 2]
    assert {row[6] for row in contents(interrupted)["event"]} != {"half"}


def test_an_interrupted_switch_to_a_log_is_rolled_back(stored: Path) -> None:
    """The first moment of a server on a restored backup: its header has the mark of a log, and the journal exists."""
    with closing(connect(stored, mode="rw")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = stored.read_bytes()
    with closing(connect(stored, mode="rw")) as connection:
        connection.execute("PRAGMA journal_mode = PERSIST")
        connection.execute("PRAGMA user_version = 0")
    journal = Path(f"{stored}-journal")
    page = before[:4096]
    stored.write_bytes(before[:18] + b"\x02\x02" + before[20:])
    journal.write_bytes(journal_with(page, len(before) // 4096))

    roll_back(stored)

    assert stored.read_bytes()[:18] == before[:18]
    assert stored.read_bytes()[18:20] == b"\x01\x01"
    assert not journal.exists()


def test_a_journal_that_is_there_again_beside_a_log_takes_nothing_of_the_log(
    tmp_path: Path, stored: Path, make: type[Make]
) -> None:
    """A power loss in the first seconds on a restored backup: the removal of the journal was not yet on disk."""
    back_up(stored, tmp_path / "copy.db", replace=False, on_bytes=lambda done, total: None)
    path = tmp_path / "copy.db"
    before = path.read_bytes()
    store = SqliteStore(path)
    store.commit([make.change(f"new-{number}", events=2) for number in range(20)])
    lost = tmp_path / "lost"
    lost.mkdir()
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", lost / f"copy.db{suffix}")
    store.close()
    (lost / "copy.db-journal").write_bytes(journal_with(before[:4096], len(before) // 4096))

    verified(lost / "copy.db")

    assert contents(lost / "copy.db") == contents(path)
    assert not (lost / "copy.db-journal").exists()
    SqliteStore(lost / "copy.db").close()


def journal_with(page: bytes, pages: int) -> bytes:
    """A synced journal with the first page of a database as it was."""
    nonce, sector = 7, 512
    header = bytes.fromhex("d9d505f920a163d7") + b"".join(
        number.to_bytes(4) for number in (1, nonce, pages, sector, len(page))
    )
    checksum = nonce + sum(page[at] for at in range(len(page) - 200, 0, -200))
    return header.ljust(sector, b"\0") + (1).to_bytes(4) + page + (checksum % 2**32).to_bytes(4)


def test_a_change_that_is_going_on_is_not_rolled_back(stored: Path) -> None:
    with closing(apsw.Connection(str(stored))) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("PRAGMA cache_size = 1")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE profile SET seq = 5")
        roll_back(stored)
        assert Path(f"{stored}-journal").exists()
        other.execute("COMMIT")
    assert [row[1] for row in contents(stored)["profile"]] == [5, 5]


def test_the_file_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE event (type, properties)")
        connection.execute("CREATE TABLE profile (seq)")
        connection.execute("INSERT INTO event VALUES ('a', 'b')")
    interrupt(path)
    before = [path.read_bytes(), Path(f"{path}-journal").read_bytes()]

    roll_back(path)

    assert [path.read_bytes(), Path(f"{path}-journal").read_bytes()] == before


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_file_that_may_not_be_written_is_refused_with_the_remedy(interrupted: Path, mode: int) -> None:
    with folder_for_all() as folder:
        for suffix in ("", "-journal"):
            shutil.copy(f"{interrupted}{suffix}", folder / f"t.db{suffix}")
        (folder / "t.db").chmod(0o444)
        (folder / "t.db-journal").chmod(mode)
        with (
            without_privileges(),
            pytest.raises(DatabaseError, match=r"A power loss or a kill has interrupted .*: run the command"),
        ):
            roll_back(folder / "t.db")
