"""Connections to a database file: how they are set, and one sentence when the file cannot be used."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pysqlite3 as sqlite3

from trackd.storage.errors import StoreError

Connection = Any  # of pysqlite3, which has no types
BUSY_TIMEOUT_S = 10.0
AUTOCHECKPOINT = 4_000  # pages, 16 MB of log: with SQLite's 4 MB a commit takes a tenth more of the processor


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


def connect(path: Path, *, mode: Literal["rw", "rwc", "ro", "ro&immutable=1"]) -> Connection:
    """A connection in explicit-transaction mode that may be used by another thread than the opening one."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_S,
    )


def writing(path: Path, *, mode: Literal["rw", "rwc"] = "rw", synchronous: str = "FULL") -> Connection:
    """As `connect`, set for commits that are on disk when they return."""
    connection = connect(path, mode=mode)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT}")
        # What is rewritten leaves no copy in its page; pages that are let go of: see `overwriting`.
        connection.execute("PRAGMA secure_delete = FAST")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """What is done within is committed whole or not at all; no other writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def overwriting(connection: Connection) -> Iterator[None]:
    """Pages that are let go of are overwritten, not only marked as free."""
    connection.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = FAST")
