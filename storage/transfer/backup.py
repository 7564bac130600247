"""A copy of a live database, with SQLite's online backup."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from sqlite_utils.utils import sqlite3

from trackd.storage.sqlite.connection import DatabaseError, database_errors
from trackd.storage.sqlite.database import open_for_reading
from trackd.storage.transfer.atomic_file import atomic_file

PAGES_AT_ONCE = 1024


def back_up(path: Path, copy: Path, *, replace: bool, on_bytes: Callable[[int, int], None]) -> None:
    """Copy the database to one file that needs no other. `on_bytes` hears how much is done, and of how much.

    Raises DatabaseError; then `copy` is as it was.
    """
    with contextlib.closing(open_for_reading(path)) as reader:
        _check_target(path, copy, replace)
        with database_errors(path), atomic_file(copy) as temporary:
            temporary.unlink(missing_ok=True)  # of a process that was killed
            with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as target:
                target.execute("PRAGMA synchronous = OFF")  # the whole file is synced once
                # The backup begins again when another process writes between two of its steps, so under load it would
                # never end. It does not where its connection is in a read transaction: all steps see that moment.
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                page_bytes = reader.execute("PRAGMA page_size").fetchone()[0]
                reader.backup(
                    target,
                    pages=PAGES_AT_ONCE,
                    progress=lambda _, left, pages: on_bytes((pages - left) * page_bytes, pages * page_bytes),
                )
                reader.execute("ROLLBACK")
                target.execute("PRAGMA journal_mode = DELETE")  # as WAL it could not be opened where nobody may write


def _check_target(path: Path, copy: Path, replace: bool) -> None:
    if not copy.exists() and not copy.parent.is_dir():
        raise DatabaseError(f"{copy} cannot be written: there is no folder {copy.parent}.")
    if copy.exists():
        if copy.samefile(path):
            raise DatabaseError(f"{copy} is the database itself: name another file for its copy.")
        if not copy.is_file():
            raise DatabaseError(f"{copy} is not a file: name another for the copy.")
        if not replace:
            raise DatabaseError(f"{copy} is there already: name another file, or replace it with --force.")
    log = copy.with_name(f"{copy.name}-wal")
    if log.exists():  # SQLite would take it for the log of the copy
        raise DatabaseError(
            f"{copy} cannot be replaced, it is in use or was not closed ({log} is there): name another file."
        )
