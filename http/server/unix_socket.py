"""The Unix socket at `server.uds`: its file, which clients open, is made at the start and removed at the stop."""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from trackd.http.server.listening import BACKLOG

Identity = tuple[int, int, int]


class Occupant(Enum):
    """What is at the path of a socket."""

    NOTHING = "nothing"
    STALE = "the socket of a program that has ended"
    LISTENING = "the socket of a program that listens"
    OTHER = "no socket"


class SocketFileError(Exception):
    """The server cannot listen at the path. The text is the reason, and what to do."""


@contextlib.contextmanager
def listening_at(path: Path, mode: int) -> Iterator[socket.socket]:
    """Listen at the path within the block. A socket that a killed server left is replaced. Raises SocketFileError."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        with _alone_in(path.parent):
            try:
                identity = _bind(listening, path, mode)
            except OSError as error:
                raise SocketFileError(
                    f"{os.strerror(error.errno or 0)}: its folder must exist, and be writable"
                ) from None
        try:
            yield listening
        finally:
            with _alone_in(path.parent), contextlib.suppress(OSError):
                if _identity(path) == identity:  # else another server has taken its place
                    path.unlink()


def occupant(path: Path) -> Occupant:
    """Raises OSError when it cannot be found out."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return Occupant.OTHER
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect(str(path))
    except FileNotFoundError:
        return Occupant.NOTHING
    except ConnectionRefusedError:
        return Occupant.STALE
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EPROTOTYPE):  # too many wait already; a socket of another kind
            raise
    return Occupant.LISTENING


def _bind(listening: socket.socket, path: Path, mode: int) -> Identity:
    found = occupant(path)
    if found is Occupant.OTHER:
        raise SocketFileError("there is a file that is no socket: remove it if it is not needed")
    if found is Occupant.LISTENING:
        raise SocketFileError("a program listens there already: stop it")
    if found is Occupant.STALE:
        path.unlink()
    listening.bind(str(path))
    path.chmod(mode)  # nobody can connect before it listens
    listening.listen(BACKLOG)
    return _identity(path)


def _identity(path: Path) -> Identity:
    """With the time: the number of a removed file is used again."""
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two servers that start together must not replace each other's sockets."""
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):  # such as a folder that may not be listed: rare, and so is the other server
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            opened.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
