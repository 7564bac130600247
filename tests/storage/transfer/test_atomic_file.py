from pathlib import Path
from typing import Any

import pytest

from trackd.storage.transfer.atomic_file import atomic_file


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_when_it_is_complete_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"

    with atomic_file(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path
        assert not path.exists()

    assert path.read_text() == "half"
    assert names(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_after_an_error_everything_is_as_before(tmp_path: Path, exists: bool, fault: type[Any]) -> None:
    path = tmp_path / "out.txt"
    if exists:
        path.write_text("before")

    def fail() -> None:
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise fault

    with pytest.raises(fault):
        fail()

    assert names(tmp_path) == (["out.txt"] if exists else [])
    assert not exists or path.read_text() == "before"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "folder" / "out.txt")

    with atomic_file(link) as temporary:
        temporary.write_text("whole")

    assert link.is_symlink()
    assert (tmp_path / "folder" / "out.txt").read_text() == "whole"
