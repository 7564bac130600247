"""The process that listens on a port, as Linux shows it."""

import contextlib
import os
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


def listener_of(port: int) -> int | None:
    """The pid of a process of this user that listens on a TCP port; as root of any. None if none can be found."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(PROC / "net" / table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if not wanted:
        return None
    for process in PROC.iterdir():
        if process.name.isdecimal() and _has_one_of(process / "fd", wanted):
            return int(process.name)
    return None


def _listening(table: Path, port: int) -> list[str]:
    """The inodes of the sockets that listen on the port."""
    with contextlib.suppress(OSError):
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]
    return []


def _has_one_of(handles: Path, wanted: set[str]) -> bool:
    with contextlib.suppress(OSError):
        return any(_target(handle) in wanted for handle in handles.iterdir())
    return False


def _target(handle: Path) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(handle)  # noqa: PTH115  it is no path
    return ""
