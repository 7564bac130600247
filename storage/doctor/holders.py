"""Which processes use a database file."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from trackd.storage.doctor.finding import Finding, Findings, State, of_error
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.connection import check_path
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.lock_content import noted_pid

IN_USE = "in use"
PROC = Path("/proc")
MOST_NAMED = 10
PS_TIMEOUT_S = 5


def holder_of(database: Path) -> int | None:
    """The pid of the process that holds the lock of a database file, 0 when it cannot be found; None without one.

    Raises StoreError.
    """
    check_path(database)
    real = database.resolve()
    lock = real.with_name(f"{real.name}-lock")
    if pid := _locking(lock):
        return pid
    if not DatabaseLock(database).is_held():
        return None
    noted = noted_pid(database)
    return noted if noted and name_of(noted) else 0


def check_holder(database: Path) -> Findings:
    """A server on the file, and other programs that have it open."""
    try:
        holder = holder_of(database)
        DatabaseLock(database).check_free_elsewhere()
    except StoreError as error:
        yield of_error(IN_USE, error)
        return
    if holder is None:
        yield Finding(IN_USE, State.OK, "no server runs on the file")
    elif holder:
        remedy = f"a second server is refused: stop this one first (`kill {holder}`), or name another file with --db"
        yield Finding(IN_USE, State.NOTE, f"{name_of(holder)} (pid {holder}) holds the lock of the file", remedy)
    else:
        found = "a server in another container, or a process of one that has ended, holds the lock of the file"
        yield Finding(IN_USE, State.WARNING, found, f"`fuser {database}-lock` shows its pid on the host")
    others = [pid for pid in users_of(database.resolve()) if holder not in (pid, _parent(pid)) and pid != os.getpid()]
    if others:
        named = ", ".join(f"{name_of(pid)} (pid {pid})" for pid in others[:MOST_NAMED])
        remedy = "they hold up the log, and a server after a failed fsync: end them when they are not needed"
        yield Finding(IN_USE, State.NOTE, f"other programs have the file open: {named}", remedy)


def name_of(pid: int) -> str:
    """The name of a process, "" if there is none."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
        return ""
    listed = subprocess.run(  # noqa: S603  a number
        ["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, timeout=PS_TIMEOUT_S, check=False
    )
    return Path(listed.stdout.strip()).name


def users_of(file: Path) -> Iterator[int]:
    """The processes of this user, on Linux, that have a file open; as root those of all users."""
    with contextlib.suppress(OSError):
        wanted = file.stat()
        for process in PROC.iterdir():
            if process.name.isdecimal() and any(_is_same(handle, file, wanted) for handle in _handles(process)):
                yield int(process.name)


def _handles(process: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list((process / "fd").iterdir())
    return []


def _is_same(handle: Path, file: Path, wanted: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        target = os.readlink(handle)  # noqa: PTH115  it may be no path, as `socket:[1]`
        return target.endswith(file.name) and os.path.samestat(handle.stat(), wanted)
    return False


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0


def _locking(lock: Path) -> int:
    """The process with a lock on this file, as Linux lists them; 0 if it lists none. It takes no lock itself."""
    with contextlib.suppress(OSError, ValueError):
        found = lock.stat()
        for line in (PROC / "locks").read_text().splitlines():
            _, kind, _, access, pid, place, *_ = line.split()
            major, minor, inode = place.split(":")
            device = os.makedev(int(major, 16), int(minor, 16))
            if (kind, access) == ("FLOCK", "WRITE") and (device, int(inode)) == (found.st_dev, found.st_ino):
                return max(int(pid), 0)
    return 0
