"""What a process does with the write-ahead log that it finds, before it commits to the file.

After a failed fsync the log or the file can be read, but parts of them are not on disk, and will not be. A later fsync
succeeds all the same. Only what is written again is safe: first the log, in its place, then the pages of the file, from
the log.
"""

import contextlib
import fcntl
import os
from pathlib import Path

import apsw

from trackd.storage.sqlite.checkpointer import checkpoint, log_pages, reason_of
from trackd.storage.sqlite.connection import LONG_LOG_PAGES, Connection, DiskFailureError
from trackd.storage.sqlite.log_frames import FRAME, HEADER
from trackd.storage.sqlite.opening import side_file

USER_LOCK = 128  # byte of NAME-shm of which each connection that has read a log holds a shared lock

MOST_PAGES = 4 * LONG_LOG_PAGES  # 256 MB: a longer log would take longer than a start may
PIECE_BYTES = 2**16  # SQLite writes less than 2**17 at once


def renew_log(connection: Connection, path: Path) -> None:
    """Write the log of the database file again and copy it into the file, so that both are on disk.

    `connection` is one to the file. Raises errors of SQLite, and DiskFailureError.
    """
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # opens the log
    pages, _ = log_pages(connection)
    if 0 < pages <= MOST_PAGES:
        frame_bytes = FRAME.size + connection.pragma("page_size")
        connection.execute("BEGIN IMMEDIATE")  # no other process writes the log meanwhile
        try:
            _write_again(side_file(path, "-wal"), HEADER.size + pages * frame_bytes)
        except apsw.IOError as error:
            raise DiskFailureError(f"the write-ahead log cannot be written again, {reason_of(error)}") from error
        finally:
            connection.execute("ROLLBACK")
        checkpoint(connection)


def _write_again(log: Path, size: int) -> None:
    """Not with Python's own files: a file system of SQLite may lie between."""
    file = apsw.VFSFile("", str(log), [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        for offset in range(0, size, PIECE_BYTES):
            file.xWrite(file.xRead(min(PIECE_BYTES, size - offset), offset), offset)
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        file.xClose()


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
