import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackd.storage.files.atomic_file import LinkError, atomic_file


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_appears_when_it_is_complete_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"

    with atomic_file(path) as file:
        file.write(b"half")
        assert Path(file.name).parent == tmp_path
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
        with atomic_file(path) as file:
            file.write(b"half")
            raise fault

    with pytest.raises(fault):
        fail()

    assert names(tmp_path) == (["out.txt"] if exists else [])
    assert not exists or path.read_text() == "before"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "other").symlink_to(tmp_path / "folder" / "out.txt")

    with atomic_file(tmp_path / "link") as file:
        file.write(b"whole")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "out.txt").read_text() == "whole"
    assert names(tmp_path / "folder") == ["out.txt"]


@pytest.mark.usefixtures("no_umask")
def test_a_new_file_is_for_its_owner_alone_from_the_beginning(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "out.txt") as file:
        assert mode(Path(file.name)) == 0o600

    assert mode(tmp_path / "out.txt") == 0o600


@pytest.mark.usefixtures("no_umask")
def test_a_copy_has_the_mode_of_its_original_once_it_is_complete(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "copy", 0o664) as file:
        assert mode(Path(file.name)) == 0o600

    assert mode(tmp_path / "copy") == 0o664


@pytest.mark.parametrize("before", [0o644, 0o640, 0o600, 0o400])
def test_a_replaced_file_leaves_its_mode(tmp_path: Path, before: int) -> None:
    (tmp_path / "out.txt").write_text("before")
    (tmp_path / "out.txt").chmod(before)

    with atomic_file(tmp_path / "out.txt", 0o666) as file:
        assert mode(Path(file.name)) == 0o600

    assert mode(tmp_path / "out.txt") == before


def test_the_name_of_the_temporary_file_cannot_be_guessed(tmp_path: Path) -> None:
    found = set()
    for _ in range(3):
        with atomic_file(tmp_path / "out.txt") as file:
            found.add(file.name)

    assert len(found) == 3


def test_a_name_of_full_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 127)

    with atomic_file(path) as file:
        file.write(b"whole")

    assert path.read_text() == "whole"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize(
    ("shared", "owner", "follows"),
    [(0o1777, 1234, False), (0o1777, 0, True), (0o777, 1234, True), (0o755, 1234, True)],
)
def test_a_link_of_another_user_in_a_folder_for_all_is_not_followed(
    tmp_path: Path, shared: int, owner: int, follows: bool
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(shared)
    (tmp_path / "victim").write_text("before")
    (folder / "out.txt").symlink_to(tmp_path / "victim")
    os.chown(folder / "out.txt", owner, owner, follow_symlinks=False)

    def write() -> None:
        with atomic_file(folder / "out.txt") as file:
            file.write(b"after")

    if follows:
        write()
    else:
        with pytest.raises(LinkError, match="a link of another user: name another file"):
            write()

    assert (tmp_path / "victim").read_text() == ("after" if follows else "before")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_a_replaced_file_leaves_its_owner(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("before")
    os.chown(tmp_path / "out.txt", 1234, 5678)

    with atomic_file(tmp_path / "out.txt") as file:
        file.write(b"after")

    found = (tmp_path / "out.txt").stat()
    assert (found.st_uid, found.st_gid, (tmp_path / "out.txt").read_text()) == (1234, 5678, "after")


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(LinkError, match="from link to link"), atomic_file(tmp_path / "a"):
        pass
