"""Connections to a database file: their settings, transactions, and sentences for SQLite's errors."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import apsw
from apsw import Connection

from trackd.storage.errors import StoreError

__all__ = ["Connection"]

SQLITE_ERRORS = (apsw.Error, UnicodeDecodeError)  # the latter for a text of another tool that is not UTF-8
NOT_UTF_8 = "cannot read: a row has a text that is not UTF-8, `trackd verify` names it"
BUSY_TIMEOUT_MS = 10_000
SHARED_MEMORY_BYTES = 32 * 1024
FILES_OF_CONNECTION = 4  # the database, its log, its shared memory, a folder
Mode = Literal["rw", "rwc", "ro", "ro&immutable=1"]
PAGE_BYTES = 4096
USUAL_LOG_PAGES = 4_000  # 16 MB: with SQLite's usual 4 MB commits take a tenth more processor time
LONG_LOG_PAGES = 4 * USUAL_LOG_PAGES  # readers kept it from starting over
FAILED_SYNCS = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})


def extended_code(error: apsw.Error) -> int:
    """SQLite's code of the operation that failed; 0 for an error of the driver."""
    code: int = getattr(error, "extendedresult", 0)
    return code


class DatabaseError(StoreError):
    """The database file cannot be used. The message is a sentence that names the fault and what to do about it."""


class DiskFailureError(StoreError):
    """An fsync failed, or a checkpoint: parts of the file or its log may not be on disk, though they can be read.

    The operating system does not write them again by itself. The log has all of it: it must be kept, and copied from
    its beginning, which SQLite does once all connections to the file, in all processes, were closed.
    """


class NoDatabaseError(DatabaseError):
    """There is no database at the path that was named, and none is made."""


@contextlib.contextmanager
def database_errors(path: Path, *, reading: bool = False) -> Iterator[None]:
    """Raise SQLite's errors as DatabaseError, with a sentence about the file at `path`, which is read or written."""
    try:
        yield
    except SQLITE_ERRORS as error:
        raise DatabaseError(_sentence(path, error, reading=reading)) from error


def _sentence(path: Path, error: Exception, *, reading: bool) -> str:
    reason = str(error).rstrip(".")
    match error:
        case UnicodeDecodeError():
            return f"{path} has a text that is not UTF-8: `trackd verify --db {path}` names it."
        case apsw.NotADBError() | apsw.CorruptError():
            return f"{path} is not a sound SQLite database ({reason}): name another file."
        case apsw.CantOpenError() if (limit := exhausted_limit()) is not None:
            return f"{path} cannot be opened ({limit}): allow more open files (`ulimit -n`, LimitNOFILE)."
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError() if reading:
            return f"{path} cannot be read ({reason}): check that this user may read it and the files beside it."
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError():
            return (
                f"{path} cannot be opened for writing ({reason}): check that its folder exists and that this user may "
                "write to both."
            )
        case apsw.FullError():
            return f"{path} cannot be written, its disk is full: make room on it."
        case apsw.IOError() if _is_disk_full(path):
            return f"{path} cannot be {'read' if reading else 'written'}, its disk is full ({reason}): make room on it."
        case apsw.IOError():
            return f"{path} cannot be {'read' if reading else 'written'} ({reason}): check its disk."
        case apsw.BusyError() | apsw.LockedError():
            return f"{path} is locked by another program ({reason}): end that program, or try again later."
        case _:
            return f"{path} cannot be used: {reason}."


def _is_disk_full(path: Path) -> bool:
    """Whether there is less room than SQLite needs beside the file, even for one that it only reads."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < SHARED_MEMORY_BYTES


def exhausted_limit() -> str | None:
    """The reason why SQLite could not open the files of a database, None when it was not the limit of open files.

    SQLite does not give it, and has closed by now what it could open.
    """
    opened: list[int] = []
    try:
        while len(opened) < FILES_OF_CONNECTION:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return None


def check_path(path: Path) -> None:
    """Raises DatabaseError for a path that leads to no place: through links without an end, or with too long a name."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be used ({error.strerror}): name another file with --db, or check that this user may open "
            "its folder."
        ) from error


def connect(path: Path, *, mode: Mode) -> Connection:
    """Open a connection without implicit transactions, which threads other than the opening one may use."""
    flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE  # `mode` narrows them
    connection = Connection(f"{path.absolute().as_uri()}?mode={mode}", flags)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    if mode in ("rw", "rwc"):
        # On macOS an fsync leaves the data in the cache of the disk, where a power loss takes it. Elsewhere they change
        # nothing.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
    return connection


def connect_for_writing(path: Path, *, mode: Literal["rw", "rwc"] = "rw", synchronous: str = "FULL") -> Connection:
    """Open a connection with a write-ahead log, whose commits are on disk when they return (`synchronous` FULL).

    They do not checkpoint: that is for the server, in checkpointer.py, and for the close of the last connection.
    """
    connection = connect(path, mode=mode)
    try:
        # A file without a log gets one in a transaction with a journal. After a power loss the journal must not exist
        # again: it would undo what was copied into the file from the log. EXTRA syncs the folder too.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # COMMIT hides that its checkpoint failed
        connection.execute(f"PRAGMA journal_size_limit = {LONG_LOG_PAGES * PAGE_BYTES}")
        # Deleted rows and pages that become free are overwritten with zeros. A document of more than a page lets pages
        # become free whenever it is rewritten: with FAST they would keep an older version of it.
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def rows_by_name(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries. Another tool may have added columns, at any place."""
    names: list[str] = []
    rows = []
    for row in (cursor := connection.execute(sql, parameters)):
        names = names or [name for name, *_ in cursor.get_description()]
        rows.append(dict(zip(names, row, strict=True)))
    return rows


def keep_log_at_close(connection: Connection, keep: bool = True) -> None:
    """Whether the last connection that closes leaves the log beside the file. Otherwise it copies and removes it."""
    with contextlib.suppress(apsw.ConnectionClosedError):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(keep))


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit the statements of the block together, or none of them. No other connection can write meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
