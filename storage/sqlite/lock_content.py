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


def noted_log(database: Path) -> NotedLog:
    """What the lock beside a database file has of its log; nothing without a lock."""
    real = database.resolve()
    with contextlib.suppress(OSError):  # for example without a log
        descriptor = os.open(
            real.with_name(f"{real.name}-lock"), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        )
        try:
            inode, _, synchronous = read_lines(descriptor)[1].partition(" ")
        finally:
            os.close(descriptor)
        return NotedLog(inode not in ("", str(side_file(real, "-wal").stat().st_ino)), synchronous)
    return NotedLog()


def read_lines(descriptor: int) -> tuple[str, str]:
    """Both lines, each empty when it is missing."""
    pid, _, rest = os.pread(descriptor, MAX_BYTES, 0).decode(errors="replace").partition("\n")
    return pid.strip(), rest.strip()


def write_lines(descriptor: int, pid: str, log: str) -> None:
    """Raises OSError."""
    content = "".join(f"{line}\n" for line in (pid, log) if line).encode()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))
