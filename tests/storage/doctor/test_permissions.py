"""Owners and modes of a file, its folder and its side files."""

import os
from pathlib import Path

import pytest

from tests.support.unprivileged import NOBODY, folder_for_all, without_privileges
from trackd.storage.doctor.finding import Finding, State
from trackd.storage.doctor.permissions import check_permissions, name_of, user

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")


def findings(path: Path) -> list[Finding]:
    return list(check_permissions(path))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "trackd.db"
    path.touch(0o600)
    return path


def test_a_private_file_in_a_folder_of_this_user_has_no_fault(database: Path) -> None:
    assert {finding.state for finding in findings(database)} == {State.OK}
    assert findings(database)[1].found == f"{database}, of {user()}, mode 0600"


def test_a_file_that_is_not_made_yet_has_no_fault(tmp_path: Path) -> None:
    assert [finding.state for finding in findings(tmp_path / "new.db")] == [State.OK, State.OK]


def test_files_that_all_may_use_are_warnings(database: Path, tmp_path: Path) -> None:
    database.chmod(0o644)
    tmp_path.chmod(0o777)
    folder, file = findings(database)
    assert (folder.state, file.state) == (State.WARNING, State.WARNING)
    assert file.remedy == f"chmod o= {database}"


def test_what_is_no_file_is_a_fault(tmp_path: Path, database: Path) -> None:
    os.mkfifo(tmp_path / "trackd.db-lock")
    assert findings(database)[-1].state == State.FAULT
    assert findings(tmp_path / "missing" / "trackd.db")[0].state == State.FAULT
    os.link(database, tmp_path / "second")
    [finding] = findings(database)
    assert (finding.state, "hard links" in finding.found) == (State.FAULT, True)


@as_root
def test_to_another_user_a_file_of_root_is_a_fault_that_names_both() -> None:
    with folder_for_all() as folder:
        path = folder / "trackd.db"
        path.touch(0o600)
        with without_privileges():
            of_folder, file = findings(path)
    assert (of_folder.state, file.state) == (State.FAULT, State.FAULT)
    assert file.found == f"{name_of(NOBODY)} may not read and write {path}, of root, mode 0600"
    assert "sudo -u root" in file.remedy


@as_root
def test_to_root_a_file_of_another_user_is_a_warning_and_side_files_of_root_are_faults(database: Path) -> None:
    os.chown(database, NOBODY, -1)
    log = database.with_name("trackd.db-wal")
    log.touch(0o600)
    _, file, side = findings(database)
    assert (file.state, side.state) == (State.WARNING, State.FAULT)
    assert f"of {name_of(NOBODY)}" in file.found
    assert side.remedy.startswith(f"chown {name_of(NOBODY)} {log}")


@as_root
def test_a_folder_that_only_root_may_write_to_is_a_warning(database: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert findings(database)[0].state == State.WARNING
    tmp_path.chmod(0o755)


def test_a_user_without_a_name_has_a_number() -> None:
    assert name_of(2**31 - 5) == f"user {2**31 - 5}"
