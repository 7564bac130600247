"""Opening a trackd database file: what it must be, and its tables brought up to date."""

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
    explained,
    transaction,
    writing,
)
from trackd.storage.sqlite.file_format import APPLICATION_ID, MIGRATIONS, applied_migrations, tables


def open_for_writing(path: Path, *, create: bool = True, synchronous: str = "FULL") -> Connection:
    """Open the file, check that it is trackd's and not from a newer trackd, and bring its tables up to date.

    Raises DatabaseError; a file that is refused is left as it was.
    """
    if not create:
        _check_there(path)
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    with explained(path):
        while True:
            try:
                return _open(path, "rwc" if create else "rw", synchronous)
            except sqlite3.OperationalError as error:
                # SQLite itself does not wait for another process that makes the file at the same moment.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def open_for_reading(path: Path) -> Connection:
    """Open a trackd database beside a server: what reads only never checkpoints. Raises DatabaseError."""
    _check_there(path)
    with explained(path):
        _check_ours(path)
        return connect(path, mode="ro")


def _open(path: Path, mode: Literal["rw", "rwc"], synchronous: str) -> Connection:
    if path.is_file():
        _check_ours(path)
    connection = writing(path, mode=mode, synchronous=synchronous)
    try:
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise DatabaseError(f"There is no database {path}: start `trackd serve` first, or name another with --db.")


def _check_ours(path: Path) -> None:
    """Reads only: what belongs to another program keeps its write-ahead log, and gets no files beside it."""
    log = path.with_name(f"{path.name}-wal")
    complete = not log.exists() or log.stat().st_size == 0
    with contextlib.closing(connect(path, mode="ro&immutable=1" if complete else "ro")) as connection:
        connection.execute("BEGIN")  # one view: another trackd may be making the tables at this moment
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        if application_id != APPLICATION_ID and (application_id != 0 or tables(connection)):
            raise DatabaseError(f"{path} is a database of another program: name another file.")
        unknown = applied_migrations(connection) - MIGRATIONS
    if unknown:
        raise DatabaseError(
            f"{path} was written by a newer trackd (it has {', '.join(sorted(unknown))}): "
            "install that version, or name another file."
        )


def _migrate(connection: Connection) -> None:
    """Also where nothing is pending: the transaction shows that the file may be written."""
    with transaction(connection):  # two processes may start at the same moment
        if applied_migrations(connection) != MIGRATIONS:
            from trackd.storage.sqlite.schema import migrate

            migrate(connection)
