"""What a process does with the write-ahead log that it finds, before it commits to the file.

After a failed fsync the log or the file can be read, but parts of them are not on disk, and will not be. A later fsync
succeeds all the same. Only what is written again is safe: first the log, in its place, then the pages of the file, from
the log.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from trackd.storage.sqlite.checkpointer import checkpoint, log_pages, reason_of
from trackd.storage.sqlite.connection import (
    LONG_LOG_PAGES,
    SQLITE_ERRORS,
    Connection,
    DatabaseError,
    DiskFailureError,
    keep_log_at_close,
)
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_frames import FRAME, HEADER
from trackd.storage.sqlite.opening import side_file

log = logging.getLogger(__name__)

USER_LOCK = 128  # byte of NAME-shm of which each connection that has read a log holds a shared lock

PIECE_BYTES = 2**16  # SQLite writes less than 2**17 at once
SYNCED_BYTES = 2**24  # a long log is synced in parts, so that each is done in time
SLOWEST_DISK, PATIENCE_S = 500_000, 30.0  # bytes a second, and what a step may take besides: else the disk hangs
SLOW_DISK = 8_000_000  # bytes a second, for the line in the log
PROGRESS_S = 10.0
MB = 1_000_000

Allow = Callable[[float], None]
"""Called before each step with the seconds that it may take."""


def renew_log(connection: Connection, path: Path, allow: Allow = lambda seconds: None) -> None:
    """Write the log of the database file again and copy it into the file, so that both are on disk.

    `connection` is one to the file. Raises errors of SQLite, and DiskFailureError.
    """
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # opens the log
    pages, _ = log_pages(connection)
    if pages <= 0:
        return
    size = HEADER.size + pages * (FRAME.size + connection.pragma("page_size"))
    began = time.monotonic()
    if pages >= LONG_LOG_PAGES:
        log.info(
            "the write-ahead log has %d MB: it is written again and copied into the file before calls are taken, which "
            "takes up to %d s on a slow disk (%d MB/s)",
            size // MB,
            2 * size // SLOW_DISK,
            SLOW_DISK // MB,
        )
    connection.execute("BEGIN IMMEDIATE")  # no other process writes the log meanwhile
    try:
        _write_again(side_file(path, "-wal"), size, allow)
    except apsw.IOError as error:
        raise DiskFailureError(f"the write-ahead log cannot be written again, {reason_of(error)}") from error
    finally:
        connection.execute("ROLLBACK")
    allow(_patience_s(size))
    checkpoint(connection)
    if pages >= LONG_LOG_PAGES:
        log.info("the write-ahead log is copied into the file, after %.1f s", time.monotonic() - began)


def _write_again(path: Path, size: int, allow: Allow) -> None:
    """Not with Python's own files: a file system of SQLite may lie between."""
    file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE, 0])
    logged = time.monotonic()
    try:
        for offset in range(0, size, PIECE_BYTES):
            if offset % SYNCED_BYTES == 0:
                allow(_patience_s(SYNCED_BYTES))
            file.xWrite(file.xRead(min(PIECE_BYTES, size - offset), offset), offset)
            if (end := offset + PIECE_BYTES) % SYNCED_BYTES == 0 or end >= size:
                file.xSync(apsw.SQLITE_SYNC_FULL)
                if time.monotonic() > logged + PROGRESS_S:
                    logged = time.monotonic()
                    log.info("%d of %d MB of the write-ahead log are written again", end // MB, size // MB)
    finally:
        file.xClose()


def _patience_s(size: int) -> float:
    return PATIENCE_S + size / SLOWEST_DISK


def copy_log_and_close(connection: Connection, path: Path, *, has_lock: bool = False) -> None:
    """Close the connection of a command, and copy the log before if no server does it: SQLite's own copy hides errors.

    A log that cannot be copied stays beside the file. `has_lock` when the command itself holds the lock of the file:
    what it has written itself, perhaps gigabytes, is not written again.
    """
    keep_log_at_close(connection)
    try:
        if has_lock or not DatabaseLock(path).is_held():
            if has_lock:
                checkpoint(connection)
            else:
                renew_log(connection, path)
            keep_log_at_close(connection, keep=False)
    except (DatabaseError, DiskFailureError, *SQLITE_ERRORS) as error:
        log.warning("the write-ahead log stays beside the file and belongs to it, it cannot be copied: %s", error)
    finally:
        connection.close()


def is_log_in_use(path: Path) -> bool:
    """Whether any process has a connection to the database file that has read its log.

    The process that asks must have none: its locks would be lost.
    """
    try:
        descriptor = os.open(side_file(path, "-shm"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with contextlib.suppress(BlockingIOError, PermissionError):  # one of the two, depending on the system
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, USER_LOCK)
            return False
        return True
    finally:
        os.close(descriptor)
