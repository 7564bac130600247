import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trackd.storage.files.atomic_file import atomic_file, atomic_path
from trackd.storage.files.temporary import temporary_file, temporary_folder

LEFT = ".copy.db.0123456789abcdef.part"
HOLD = """
import sys
from pathlib import Path
from trackd.storage.files.atomic_file import atomic_file, atomic_path
target = Path(sys.argv[1])
with atomic_file(target) as file, atomic_path(target) as made:
    made.write_text("half")
    Path(f"{made}-wal").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_program_leaves_is_removed_by_the_next_one_and_not_before_its_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "copy.db")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "writing\n"
    left = names(tmp_path)
    assert len(left) == 2

    with atomic_file(tmp_path / "other.jsonl"):
        assert left < names(tmp_path)

    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(tmp_path) == {"other.jsonl", *left}
    with atomic_file(tmp_path / "third.jsonl"):
        pass
    assert names(tmp_path) == {"other.jsonl", "third.jsonl"}


def test_two_programs_that_write_in_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "a") as file, temporary_folder(tmp_path / "b") as folder:
        (folder / "database").write_text("half")
        with temporary_file(tmp_path / "c"), temporary_folder(tmp_path / "d"):
            assert Path(file.name).exists()
            assert (folder / "database").exists()
    assert names(tmp_path) == set()


def test_the_side_files_of_a_file_that_an_earlier_version_left_go_with_it(tmp_path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        (tmp_path / f"{LEFT}{suffix}").touch()

    with temporary_file(tmp_path / "new"):
        pass

    assert names(tmp_path) == set()


def test_files_that_trackd_did_not_make_stay(tmp_path: Path) -> None:
    foreign = {"copy.part", ".copy.part", ".copy.0123.part", ".copy.0123456789abcdef.part.bak", "copy.db-journal"}
    for name in foreign:
        (tmp_path / name).touch()
    (tmp_path / "target").write_text("precious")
    (tmp_path / LEFT).symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / ".pipe.0123456789abcdef.part")
    before = names(tmp_path)

    with temporary_file(tmp_path / "new"):
        pass

    assert names(tmp_path) == before
    assert (tmp_path / "target").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_files_of_another_user_stay(tmp_path: Path) -> None:
    for name in (LEFT, f"{LEFT}-journal"):
        (tmp_path / name).touch()
        os.chown(tmp_path / name, 1234, 1234)

    with temporary_file(tmp_path / "new"):
        pass

    assert names(tmp_path) == {LEFT, f"{LEFT}-journal"}


def test_a_file_that_is_made_by_its_name_appears_complete_and_without_its_side_files(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "copy.db") as made:
        made.write_text("whole")
        Path(f"{made}-wal").write_text("log")
        assert not (tmp_path / "copy.db").exists()

    assert names(tmp_path) == {"copy.db"}
    assert (tmp_path / "copy.db").read_text() == "whole"


def test_after_an_error_nothing_of_it_is_left(tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("before")

    def fail() -> None:
        with atomic_path(tmp_path / "copy.db") as made:
            made.write_text("half")
            Path(f"{made}-journal").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert names(tmp_path) == {"copy.db"}
    assert (tmp_path / "copy.db").read_text() == "before"
