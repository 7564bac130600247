"""Opens a trackd database file: checks that it is one, and brings its tables up to date."""

import contextlib
import time
from pathlib import Path
from typing import Literal

import pysqlite3 as sqlite3

from trackd.storage.sqlite.connection import (
    BUSY_TIMEOUT_S,
    Connection,
    DatabaseError,
    connect,
    connect_for_writing,
    database_errors,
    transaction,
)
from trackd.storage.sqlite.file_format import APPLICATION_ID, MIGRATIONS, applied_migrations, table_names


def open_for_writing(path: Path, *, create: bool = True, synchronous: str = "FULL") -> Connection:
    """Open a database file to read and write, after bringing its tables up to date.

    Raises DatabaseError for a missing file (unless `create`), a file of another program, and a file that a newer trackd
    has written. A refused file stays as it was.
    """
    if not create:
        _check_exists(path)
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    with database_errors(path):
        while True:
            try:
                return _open(path, "rwc" if create else "rw", synchronous)
            except sqlite3.OperationalError as error:
                # SQLite's own timeout does not cover another process that creates the file at the same moment.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def open_for_reading(path: Path) -> Connection:
    """Open a database file to read, also while a server runs on it: a read-only connection never checkpoints.

    Raises DatabaseError.
    """
    _check_exists(path)
    with database_errors(path):
        _check_format(path)
        return connect(path, mode="ro")


def _open(path: Path, mode: Literal["rw", "rwc"], synchronous: str) -> Connection:
    if path.is_file():
        _check_format(path)
    connection = connect_for_writing(path, mode=mode, synchronous=synchronous)
    try:
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise DatabaseError(f"There is no database {path}: start `trackd serve` first, or name another with --db.")


def _check_format(path: Path) -> None:
    """Only reads, so that the file of another program keeps its write-ahead log, and gets no files beside it."""
    log = path.with_name(f"{path.name}-wal")
    complete = not log.exists() or log.stat().st_size == 0
    with contextlib.closing(connect(path, mode="ro&immutable=1" if complete else "ro")) as connection:
        connection.execute("BEGIN")  # one snapshot: another trackd may be creating the tables at this moment
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
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
