"""Opening a trackd database file: what it must be, how its connections are set, one sentence when it cannot be."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

from trackd.storage.schema import APPLICATION_ID, migrations
from trackd.storage.store import StoreError

Connection = Any  # of pysqlite3, which has no types
BUSY_TIMEOUT_S = 10.0


class DatabaseError(StoreError):
    """The file cannot be used: a sentence that says what is wrong and what to do."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a DatabaseError that a person can act on."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        reason = str(error)
        if "file is not a database" in reason or "malformed" in reason:
            raise DatabaseError(f"{path} is not a sound SQLite database ({reason}): name another file.") from error
        if "unable to open" in reason or "readonly" in reason:
            raise DatabaseError(
                f"{path} cannot be opened for writing ({reason}): check that its folder is there and that "
                "this user may write to both."
            ) from error
        raise DatabaseError(f"{path} cannot be used: {reason}.") from error


def connect(path: Path, *, mode: Literal["rw", "rwc", "ro"]) -> Connection:
    """A connection in explicit-transaction mode that may be used by another thread than the opening one."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_S,
    )


def open_for_writing(path: Path, *, create: bool = True, synchronous: str = "FULL") -> Connection:
    """Open the file, check that it is trackd's and not from a newer trackd, and bring its tables up to date.

    Raises DatabaseError; a file that is refused is left as it was.
    """
    if not create and not path.is_file():
        raise DatabaseError(f"There is no database {path}: start `trackd serve` first, or name another with --db.")
    with explained(path):
        connection = connect(path, mode="rwc" if create else "rw")
        try:
            _check_ours(Database(connection), path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            _migrate(Database(connection))
        except BaseException:
            connection.close()
            raise
    return connection


def _check_ours(db: Database, path: Path) -> None:
    application_id = db.execute("PRAGMA application_id").fetchone()[0]
    if application_id != APPLICATION_ID and (application_id != 0 or db.table_names()):
        raise DatabaseError(f"{path} is a database of another program: name another file.")
    with Database(memory=True) as empty:
        known = {migration.name for migration in migrations.pending(empty)}
    unknown = {migration.name for migration in migrations.applied(db)} - known
    if unknown:
        raise DatabaseError(
            f"{path} was written by a newer trackd (it has {', '.join(sorted(unknown))}): "
            "install that version, or name another file."
        )


def _migrate(db: Database) -> None:
    """Also where nothing is pending: the transaction shows that the file may be written."""
    db.execute("BEGIN IMMEDIATE")  # two processes may start at the same moment
    try:
        migrations.apply(db)
    except BaseException:
        db.rollback()
        raise
    db.commit()
