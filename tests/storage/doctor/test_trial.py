"""The trial of a disk: it leaves nothing, and names what cannot be done."""

import os
from pathlib import Path

import pytest

from tests.support.unprivileged import folder_for_all, without_privileges
from trackd.storage.doctor.finding import State
from trackd.storage.doctor.trial import check_disk

CHECKS = ["writing", "locks", "SQLite's log", "fsync"]


def test_a_sound_disk_passes_and_nothing_stays_on_it(tmp_path: Path) -> None:
    dead = tmp_path / f".x.{'0' * 16}.part"  # what another command left is not for this one to remove
    dead.touch()
    findings = list(check_disk(tmp_path / "trackd.db"))
    assert [finding.check for finding in findings] == CHECKS
    assert {finding.state for finding in findings} <= {State.OK, State.WARNING}  # the disk may be slow
    assert "of 100" in findings[-1].found
    assert list(tmp_path.iterdir()) == [dead]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that others may not write to")
def test_a_folder_in_which_no_file_can_be_made_is_a_fault() -> None:
    with folder_for_all() as folder, without_privileges():
        [finding] = check_disk(folder / "trackd.db")
    assert (finding.check, finding.state) == ("writing", State.FAULT)
    assert "Permission denied" in finding.found
    assert "let the user of the server write" in finding.remedy


def test_a_folder_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    [finding] = check_disk(tmp_path / "missing" / "trackd.db")
    assert (finding.check, finding.state) == ("writing", State.FAULT)
