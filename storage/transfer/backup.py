"""Backup: a copy of a database file, with SQLite's online backup, also while the server runs."""

import contextlib
import stat
from collections.abc import Callable
from pathlib import Path

from trackd.storage.files.atomic_file import atomic_file
from trackd.storage.sqlite.connection import DatabaseError, connect
from trackd.storage.sqlite.read_only_file import ReadOnlyFile

PAGES_AT_ONCE = 1024


def back_up(path: Path, copy: Path, *, replace: bool, on_bytes: Callable[[int, int], None]) -> None:
    """Copy the database file at `path`, as it is at this moment, to the single file `copy`.

    The copy has the mode of its original, unless it replaces a file, whose mode it keeps. `on_bytes` is called with the
    bytes that are copied so far and their total. Raises DatabaseError when `copy` exists (unless `replace`) or cannot
    be written; then it is as before.
    """
    with ReadOnlyFile(path, older="keep") as file:
        reader = file.connection
        _check_target(path, copy, replace)
        mode = stat.S_IMODE(path.stat().st_mode)
        with (
            atomic_file(copy, mode) as temporary,
            file.errors(),
            contextlib.closing(connect(Path(temporary.name), mode="rw")) as target,
        ):
            target.execute("PRAGMA synchronous = OFF")  # the whole file is synced once
            # A backup starts over when another process writes between two of its steps, and would not end under
            # load. In a read transaction it does not: all steps read the same snapshot.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            page_bytes = reader.pragma("page_size")
            with target.backup("main", reader, "main") as copying:
                while not copying.done:
                    copying.step(PAGES_AT_ONCE)
                    pages = copying.page_count
                    on_bytes((pages - copying.remaining) * page_bytes, pages * page_bytes)
            reader.execute("ROLLBACK")
            target.execute("PRAGMA journal_mode = DELETE")  # WAL files cannot be opened in a read-only folder


def _check_target(path: Path, copy: Path, replace: bool) -> None:
    if not copy.exists() and not copy.parent.is_dir():
        raise DatabaseError(f"{copy} cannot be written: there is no folder {copy.parent}.")
    if copy.exists():
        if copy.samefile(path):
            raise DatabaseError(f"{copy} is the database itself: name another file for its copy.")
        if not copy.is_file():
            raise DatabaseError(f"{copy} is not a file: name another one for the copy.")
        if not replace:
            raise DatabaseError(f"{copy} exists already: name another file, or replace it with --force.")
    log = copy.with_name(f"{copy.name}-wal")
    if log.exists():  # SQLite would take it for the log of the copy
        raise DatabaseError(
            f"{copy} cannot be replaced, it is in use or was not closed ({log} exists): name another file."
        )
