"""What dead runs and restores have left is listed, and stays."""

from pathlib import Path

from trackd.storage.doctor.finding import State
from trackd.storage.doctor.leftovers import check_leftovers
from trackd.storage.files.temporary import temporary_file, temporary_folder

DEAD = f".trackd.db.{'0' * 16}.part"


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert [finding.state for finding in check_leftovers(tmp_path / "trackd.db")] == [State.OK]
    assert list(check_leftovers(tmp_path / "missing" / "trackd.db")) == []


def test_unfinished_files_of_dead_commands_are_named_and_those_of_running_ones_are_not(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "trackd.db"), temporary_file(tmp_path / "copy"):
        (tmp_path / DEAD).mkdir()
        (tmp_path / DEAD / "database").write_bytes(b"x" * 2000)
        [finding] = check_leftovers(tmp_path / "trackd.db")
        assert (finding.state, finding.found.endswith(f"{DEAD}, 2.0 KB")) == (State.NOTE, True)
        assert (tmp_path / DEAD / "database").exists()


def test_what_restores_kept_is_named_with_its_size(tmp_path: Path) -> None:
    for day in range(1, 6):
        (tmp_path / f"trackd.db.before-2026010{day}T000000Z").write_bytes(b"x" * 1000)
    [finding] = check_leftovers(tmp_path / "trackd.db")
    assert finding.found.endswith("and 2 more, 5.0 KB")
    assert finding.remedy.startswith("remove them")
