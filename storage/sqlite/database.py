"""Opens a trackd database file: checks that it is one, and brings its tables up to date."""

import contextlib
import stat
import time
from pathlib import Path

import apsw

from trackd.storage.sqlite.connection import (
    BUSY_TIMEOUT_MS,
    Connection,
    DatabaseError,
    NoDatabaseError,
    check_path,
    connect,
    connect_for_writing,
    database_errors,
    transaction,
)
from trackd.storage.sqlite.database_file import check_one_name, create_missing
from trackd.storage.sqlite.file_format import MIGRATIONS, applied_migrations
from trackd.storage.sqlite.log_tail import check_tail
from trackd.storage.sqlite.opening import CREATED_WITHIN_S, REMEDY, FileState, check_format, once_unchanged
from trackd.storage.sqlite.side_files import prepare
from trackd.storage.sqlite.table_checks import check_tables
from trackd.storage.sqlite.upgrading import Upgrade


def open_for_writing(path: Path, *, create: bool = True, synchronous: str = "FULL") -> Connection:
    """Open a database file to read and write, after bringing its tables up to date.

    Raises NoDatabaseError for a missing or empty file and for one without tables (unless `create`), DatabaseError for
    a file of another program, for a file that a newer trackd has written, and for one with two names. A refused file
    stays as it was.
    """
    prepare(path)
    return open_prepared(path, create=create, synchronous=synchronous)


def open_prepared(path: Path, *, create: bool = True, synchronous: str = "FULL") -> Connection:
    """Open a file for which `prepare` was called, which reads all of a log. See `open_for_writing`."""
    if create:
        check_path(path)
        create_missing(path)
    else:
        check_exists(path)
    check_one_name(path)
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    with database_errors(path):
        while True:
            try:
                return _open(path, synchronous, create=create)
            except (apsw.BusyError, apsw.LockedError):
                # SQLite's own timeout does not cover another process that creates the file at the same moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


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


def _open(path: Path, synchronous: str, *, create: bool) -> Connection:
    check_tail(path)
    lacking_migrations(path, new=create)
    connection = connect_for_writing(path, synchronous=synchronous)
    try:
        create_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def lacking_migrations(path: Path, *, new: bool) -> frozenset[str]:
    """The names of the migrations that the file lacks; none for a new file. Raises errors of SQLite and DatabaseError.

    Only reads: the file of another program keeps its write-ahead log, and its folder gets no files.
    """

    def read(state: FileState) -> frozenset[str]:
        complete = state.log_bytes == 0  # it can be read without the files that SQLite makes for a log
        with contextlib.closing(connect(path, mode="ro&immutable=1" if complete else "ro")) as connection:
            return check_format(connection, path, new=new)

    return once_unchanged(path, read) if path.is_file() else frozenset()


def create_tables(connection: Connection, path: Path) -> None:
    """Create the tables of a new file, or apply the pending migrations to the file at `path`, which may take minutes.

    The transaction shows, even when there are none, that the file can be written.
    """
    with transaction(connection):  # two processes may start at the same moment
        applied = applied_migrations(connection)
        if applied != MIGRATIONS:
            from trackd.storage.sqlite.schema import migrate  # loads sqlite-utils

            with Upgrade(path, MIGRATIONS - applied) if applied else contextlib.nullcontext() as upgrade:
                migrate(connection, upgrade.begin if upgrade else None)
        check_tables(connection)
