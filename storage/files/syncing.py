"""Writes what an open file or folder has to the disk, so that a power loss does not take it."""

import contextlib
import fcntl
import os

# macOS: fsync hands the data to the disk, which may keep it in a cache of its own; with this one it is on the medium.
FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


def sync(descriptor: int) -> None:
    """Return when the contents are durable. Raises OSError."""
    if FULL_SYNC is not None:
        with contextlib.suppress(OSError):  # some file systems have only the other one
            fcntl.fcntl(descriptor, FULL_SYNC)
            return
    os.fsync(descriptor)
