"""New files are for their owner alone: mode 0600, whatever the umask, before anything is written to them."""

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600


def create(path: Path | str, mode: int = PRIVATE) -> int:
    """Create a file, and return its descriptor for reading and writing. Follows no link.

    Raises FileExistsError when there is anything at `path`, also a link that leads nowhere.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    set_mode(descriptor, mode)
    return descriptor


def set_mode(descriptor: int, mode: int) -> None:
    """Set the permissions of an open file, where its file system has any."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, mode)


def open_for_writing(path: Path) -> BinaryIO:
    """Open a file to write it anew. An existing one keeps its mode, and may be a link, a pipe or a device.

    Raises OSError.
    """

    def opened(name: str, _: int) -> int:
        try:
            return os.open(name, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        except FileNotFoundError:
            return create(path.resolve())

    return open(path, "wb", opener=opened)
