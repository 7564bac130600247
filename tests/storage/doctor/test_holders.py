"""Which processes use a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from trackd.storage.doctor.finding import State
from trackd.storage.doctor.holders import check_holder, holder_of, name_of, users_of
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.lock import DatabaseLock


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "trackd.db"
    open_for_writing(path).close()
    return path


def test_without_a_server_nothing_holds_the_file(database: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert holder_of(database) is None
    assert [finding.state for finding in check_holder(database)] == [State.OK]
    assert sorted(tmp_path.iterdir()) == before
    assert [finding.state for finding in check_holder(tmp_path / "new.db")] == [State.OK]


def test_the_holder_of_the_lock_is_named(database: Path) -> None:
    with DatabaseLock(database):
        assert holder_of(database) == os.getpid()
        found = next(check_holder(database))
    assert (found.state, f"(pid {os.getpid()})" in found.found) == (State.NOTE, True)
    assert f"kill {os.getpid()}" in found.remedy


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the files of processes")
def test_another_program_that_has_the_file_open_is_named(database: Path) -> None:
    with subprocess.Popen(["tail", "-f", str(database)], stdout=subprocess.DEVNULL) as other:
        wait_until(lambda: other.pid in users_of(database), "the file is open")
        findings = list(check_holder(database))
        other.kill()
    assert f"tail (pid {other.pid})" in findings[-1].found


def test_a_file_that_is_in_use_under_another_name_is_a_fault(database: Path, tmp_path: Path) -> None:
    with DatabaseLock(database):
        moved = database.rename(tmp_path / "moved.db")
        [finding] = check_holder(moved)
    assert (finding.state, "under another name" in finding.found) == (State.FAULT, True)


def test_names_of_processes() -> None:
    assert name_of(os.getpid())
    assert name_of(2**22 + 1) == ""
