"""The file of a Unix socket: replaced when its server has ended, kept while it listens, removed at the stop."""

import socket
from pathlib import Path

import pytest

from trackd.http.server.listening import url
from trackd.http.server.unix_socket import Occupant, SocketFileError, listening_at, occupant


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    return Path("trackd.sock")


def left_behind(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
    """As a server that is killed leaves it."""
    with socket.socket(socket.AF_UNIX, kind) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_the_file_has_its_mode_whatever_the_umask_and_is_removed_at_the_end(path: Path, mode: int) -> None:
    with listening_at(path, mode) as listening, socket.socket(socket.AF_UNIX) as client:
        assert path.stat().st_mode & 0o777 == mode
        assert url(listening) == f"unix:{path.absolute()}"
        client.connect(str(path))
        listening.accept()[0].close()
    assert not path.exists()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["stream", "datagram"])
def test_a_socket_without_a_program_is_replaced(path: Path, kind: socket.SocketKind) -> None:
    left_behind(path, kind)
    assert occupant(path) is Occupant.STALE
    with listening_at(path, 0o600):
        assert occupant(path) is Occupant.LISTENING


def test_a_socket_whose_program_listens_is_kept(path: Path) -> None:
    with listening_at(path, 0o600):
        with pytest.raises(SocketFileError, match="a program listens there already"), listening_at(path, 0o600):
            pass
        assert occupant(path) is Occupant.LISTENING


def test_a_program_whose_queue_is_full_listens(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(str(path))
        listening.listen(0)
        client.connect(str(path))
        assert occupant(path) is Occupant.LISTENING


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_kept(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
    with pytest.raises(SocketFileError, match="no socket: remove it"), listening_at(path, 0o600):
        pass
    assert path.is_symlink() or path.exists()


def test_without_its_folder_the_reason_is_named(path: Path) -> None:
    with pytest.raises(SocketFileError, match="No such file or directory: its folder"):
        listening_at(Path("missing") / path, 0o600).__enter__()


def test_the_socket_of_another_server_in_its_place_is_not_removed(path: Path) -> None:
    with listening_at(path, 0o600):
        path.unlink()
        left_behind(path)
    assert path.is_socket()
