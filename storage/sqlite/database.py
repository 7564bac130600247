"""Opens a trackd database file: checks that it is one, and brings its tables up to date."""

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

import apsw

from trackd.storage.files.private_file import create as create_file
from trackd.storage.sqlite.connection import (
    BUSY_TIMEOUT_MS,
    SQLITE_ERRORS,
    Connection,
    DatabaseError,
    NoDatabaseError,
    connect,
    connect_for_writing,
    database_errors,
    transaction,
)
from trackd.storage.sqlite.file_format import APPLICATION_ID, MIGRATIONS, applied_migrations, table_names

REMEDY = "start `trackd serve` first, or name another with --db"
CREATED_WITHIN_S = 0.5


def open_for_writing(path: Path, *, create: bool = True, synchronous: str = "FULL") -> Connection:
    """Open a database file to read and write, after bringing its tables up to date.

    Raises NoDatabaseError for a missing or empty file (unless `create`), DatabaseError for a file of another program,
    and for a file that a newer trackd has written. A refused file stays as it was.
    """
    if create:
        _create(path)
    else:
        check_exists(path)
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    with database_errors(path):
        while True:
            try:
                return _open(path, synchronous)
            except (apsw.BusyError, apsw.LockedError):
                # SQLite's own timeout does not cover another process that creates the file at the same moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def open_for_reading(path: Path) -> Connection:
    """Open a database file to read, also while a server runs on it: a read-only connection never checkpoints.

    Raises DatabaseError.
    """
    check_exists(path)
    with database_errors(path):
        _check_format(path)
        return connect(path, mode="ro")


def check_exists(path: Path) -> None:
    """Raises NoDatabaseError for a missing or empty file, and DatabaseError for another thing that is no file.

    An empty file counts as none: tables in it would be a new database. Another trackd may be creating them now.
    """
    deadline = time.monotonic() + CREATED_WITHIN_S
    while True:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NoDatabaseError(f"There is no database {path.absolute()}: {REMEDY}.") from None
        except OSError as error:
            raise DatabaseError(f"{path} cannot be opened ({error.strerror}): {REMEDY}.") from error
        if not stat.S_ISREG(found.st_mode):
            raise DatabaseError(f"{path} cannot be opened, it is not a file: {REMEDY}.")
        if found.st_size > 0:
            return
        if time.monotonic() > deadline:
            raise NoDatabaseError(f"{path.absolute()} is empty, it is no database: {REMEDY}.")
        time.sleep(0.02)


def _create(path: Path) -> None:
    """Create a missing file before SQLite would, with the mode 0600. SQLite gives the mode of the file to its log."""
    if path.exists():
        return
    try:
        os.close(create_file(path.resolve()))
    except FileExistsError:
        return  # another process was faster
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be opened for writing ({error.strerror}): check that its folder exists and that "
            "this user may write to both."
        ) from error


def _open(path: Path, synchronous: str) -> Connection:
    if path.is_file():
        _check_format(path)
    connection = connect_for_writing(path, synchronous=synchronous)
    try:
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_format(path: Path) -> None:
    """Only reads: the file of another program keeps its write-ahead log, and its folder gets no files.

    Without a log it reads without a lock. A fault that it finds then counts only if the file did not change meanwhile:
    another trackd may be creating the tables at this moment.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        before = _state(path)
        try:
            return _check_format_once(path, complete=before.log_bytes == 0)
        except (*SQLITE_ERRORS, DatabaseError):
            if before.log_bytes or _state(path) == before or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class _State(NamedTuple):
    """Changes when another connection writes to the file: first its log grows, then the file itself changes."""

    log_bytes: int
    file_bytes: int
    modified_ns: int


def _state(path: Path) -> _State:
    try:
        log_bytes = path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:  # also when the last connection removes it at this moment
        log_bytes = 0
    file = path.stat()
    return _State(log_bytes, file.st_size, file.st_mtime_ns)


def _check_format_once(path: Path, *, complete: bool) -> None:
    """`complete`: the file needs no log, and can be read without the files that SQLite makes for a log."""
    with contextlib.closing(connect(path, mode="ro&immutable=1" if complete else "ro")) as connection:
        connection.execute("BEGIN")  # one snapshot
        application_id = connection.pragma("application_id")
        if application_id != APPLICATION_ID and (application_id != 0 or table_names(connection)):
            raise DatabaseError(f"{path} is a database of another program: name another file.")
        unknown = applied_migrations(connection) - MIGRATIONS
    if unknown:
        raise DatabaseError(
            f"{path} was written by a newer trackd (it has {', '.join(sorted(unknown))}): "
            "install that version, or name another file."
        )


def _migrate(connection: Connection) -> None:
    """Apply the pending migrations. The transaction shows, even when there are none, that the file can be written."""
    with transaction(connection):  # two processes may start at the same moment
        if applied_migrations(connection) != MIGRATIONS:
            from trackd.storage.sqlite.schema import migrate  # loads sqlite-utils

            migrate(connection)
