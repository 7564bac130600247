"""The database file itself: made for its owner alone, and used under one name.

SQLite keeps the log of a file beside it, under its name. With two names there are two logs, and each overwrites in the
file what the other one still holds.
"""

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path

from trackd.storage.files.private_file import create
from trackd.storage.files.system_errors import REMEDIES
from trackd.storage.sqlite.connection import DatabaseError


def create_missing(path: Path) -> bool:
    """Create a missing file before SQLite would, with the mode 0600. SQLite gives the mode of the file to its log.

    Returns whether it was missing. Raises DatabaseError.
    """
    if path.exists():
        return False
    try:
        os.close(create(path.resolve()))
    except FileExistsError:
        return False  # another process was faster
    except OSError as error:
        raise not_writable(path, error) from error
    return True


def not_writable(path: Path, error: OSError) -> DatabaseError:
    remedy = "check that its folder exists and that this user may write to both"
    if error.errno not in (errno.EACCES, errno.EPERM):
        remedy = REMEDIES.get(error.errno or 0, remedy)
    return DatabaseError(f"{path} cannot be opened for writing ({error.strerror}): {remedy}.")


def check_one_name(path: Path) -> None:
    """Raises DatabaseError for a file that another program may have open under another name.

    Opens no file in a way that its end could drop SQLite's locks. What is missing or no file is for others to refuse.
    """
    real = path.resolve()
    try:
        found, is_mounted = real.stat(), mount_number(real) != mount_number(real.parent)
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode):
        return
    if found.st_nlink > 1:
        raise DatabaseError(
            f"{path} cannot be used, the file has {found.st_nlink} names (hard links), and SQLite would keep a log for "
            f"each: remove the other names, which `find DIR -samefile {path}` finds, or name a copy with --db."
        )
    if is_mounted:
        raise DatabaseError(
            f"{path} cannot be used, the file is mounted without its folder, where SQLite keeps its log: mount the "
            "folder instead."
        )


def mount_number(path: Path) -> int:
    """The number of the mount that the path belongs to, 0 when Linux does not name it; elsewhere that of its device.

    On Linux devices do not show it: in an overlay, as containers have it, a file may have another than its folder. Some
    kernels that stand in for Linux there, such as gVisor, name no mounts.
    """
    if sys.platform != "linux":
        return path.stat().st_dev
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)  # it opens no file, so that its end drops no locks
    try:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
                if line.startswith("mnt_id:"):
                    return int(line.split()[1])
    finally:
        os.close(descriptor)
    return 0
