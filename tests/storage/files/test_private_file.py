import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackd.storage.files.private_file import create, open_for_writing


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    os.close(create(tmp_path / "created"))
    open_for_writing(tmp_path / "opened").close()

    assert [mode(path) for path in tmp_path.iterdir()] == [0o600, 0o600]


@pytest.mark.parametrize("target", ["something", "nothing"])
def test_a_file_is_not_created_through_a_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "something").write_text("before")
    (tmp_path / "link").symlink_to(tmp_path / target)

    with pytest.raises(FileExistsError):
        create(tmp_path / "link")

    assert (tmp_path / "something").read_text() == "before"
    assert not (tmp_path / "nothing").exists()


def test_an_existing_file_is_written_anew_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a long text")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")

    with open_for_writing(tmp_path / "link") as file:
        file.write(b"text")

    assert (tmp_path / "file").read_text() == "text"
    assert mode(tmp_path / "file") == 0o640


def test_a_link_to_nothing_makes_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")

    with open_for_writing(tmp_path / "link") as file:
        file.write(b"text")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    assert mode(tmp_path / "file") == 0o600


def test_a_named_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()

    with open_for_writing(tmp_path / "pipe") as pipe:
        pipe.write(b"text")

    reader.join(10)
    assert read == [b"text"]
