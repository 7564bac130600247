"""The processes that listen on a port, as Linux shows them."""

import contextlib
import os
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


def listeners_of(port: int) -> list[int]:
    """The pids of the processes of this user that listen on a TCP port; as root of any. Several may share a socket."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(PROC / "net" / table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if not wanted:
        return []
    processes = [process for process in PROC.iterdir() if process.name.isdecimal()]
    return sorted(int(process.name) for process in processes if _has_one_of(process / "fd", wanted))


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
