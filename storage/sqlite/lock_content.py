"""What is in the file of a lock: the pid of its holder, and in a second line the log that the last server had.

The second line stays when another process takes the lock, and is copied with the files.
"""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from trackd.storage.sqlite.opening import side_file

MAX_BYTES = 64  # more than a lock has


class NotedLog(NamedTuple):
    """What a lock has of the log of the last server."""

    is_copied: bool = False
    """Whether the log that is there now is another file: it was copied, and the lock with it."""
    synchronous: str = ""
    """The setting of the server, "" if it is unknown."""


def noted_pid(database: Path) -> int:
    """The pid in the lock beside a database file, 0 without one: it is that of the holder if the lock is held."""
    pid = _noted(database)[0]
    return int(pid) if pid.isdecimal() else 0


def noted_log(database: Path) -> NotedLog:
    """What the lock beside a database file has of its log; nothing without a lock."""
    inode, _, synchronous = _noted(database)[1].partition(" ")
    with contextlib.suppress(OSError):  # for example without a log
        return NotedLog(inode not in ("", str(side_file(database, "-wal").stat().st_ino)), synchronous)
    return NotedLog()


def _noted(database: Path) -> tuple[str, str]:
    real = database.resolve()
    with contextlib.suppress(OSError):
        descriptor = os.open(
            real.with_name(f"{real.name}-lock"), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        )
        try:
            return read_lines(descriptor)
        finally:
            os.close(descriptor)
    return "", ""


def read_lines(descriptor: int) -> tuple[str, str]:
    """Both lines, each empty when it is missing."""
    pid, _, rest = os.pread(descriptor, MAX_BYTES, 0).decode(errors="replace").partition("\n")
    return pid.strip(), rest.strip()


def write_lines(descriptor: int, pid: str, log: str) -> None:
    """Raises OSError."""
    content = "".join(f"{line}\n" for line in (pid, log) if line).encode()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))
