"""Backup: a copy of a database file, with SQLite's online backup, also while the server runs."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from trackd.storage.files.atomic_file import atomic_path
from trackd.storage.files.private_file import create
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.storage.sqlite.connection import Connection, DatabaseError, connect
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.opening import side_file
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.side_files import remove_side_files
from trackd.storage.transfer.copies import DamagedError, checked_contents, contents_of

PAGES_AT_ONCE = 1024
WRITE_ERRORS = {
    apsw.SQLITE_IOERR_WRITE,
    apsw.SQLITE_IOERR_FSYNC,
    apsw.SQLITE_IOERR_DIR_FSYNC,
    apsw.SQLITE_IOERR_TRUNCATE,
    apsw.SQLITE_IOERR_CLOSE,
    apsw.SQLITE_IOERR_DELETE,
}


def back_up(
    path: Path,
    copy: Path,
    *,
    replace: bool,
    on_bytes: Callable[[int, int], None],
    previous: Path | None = None,
) -> None:
    """Copy the database file at `path`, as it is at this moment, to the single file `copy`.

    The copy is checked before it gets its name. It has the mode of its original, unless it replaces a file, whose mode
    it keeps. `on_bytes` is called with the bytes that are copied so far and their total. Raises DatabaseError when
    `copy` exists (unless `replace`) or cannot be written, when the original is damaged, and when it has nothing though
    the `previous` copy, by default `copy`, has something; then `copy` is as before.
    """
    with ReadOnlyFile(path, older="keep") as file:
        reader = file.connection
        _check_target(path, copy, replace)
        with file.errors(), _writing(copy), atomic_path(copy, stat.S_IMODE(path.stat().st_mode)) as made:
            os.close(create(made))
            with contextlib.closing(connect(made, mode="rw")) as target:
                _copy(reader, target, on_bytes)
            _check(made, path, copy if previous is None else previous)
            remove_side_files(copy)


def _copy(reader: Connection, target: Connection, on_bytes: Callable[[int, int], None]) -> None:
    target.execute("PRAGMA synchronous = OFF")  # the whole file is synced once
    target.execute("PRAGMA journal_mode = OFF")  # and nobody else sees it before
    # A backup starts over when another process writes between two of its steps, and would not end under load. In a read
    # transaction it does not: all steps read the same snapshot.
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


@contextlib.contextmanager
def _writing(copy: Path) -> Iterator[None]:
    """Around the copying: errors of writing are those of the copy, all others those of the original."""
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{copy} cannot be written {reason_and_remedy(error)}.") from error
    except apsw.FullError as error:
        full = OSError(errno.ENOSPC, str(error))  # SQLite's own text is that of another connection
        raise DatabaseError(f"{copy} cannot be written {reason_and_remedy(full)}.") from error
    except apsw.IOError as error:
        if vars(error).get("extendedresult") in WRITE_ERRORS:
            raise DatabaseError(f"{copy} cannot be written ({error}): check its disk.") from error
        raise


def _check(made: Path, path: Path, previous: Path) -> None:
    try:
        contents = checked_contents(made, path)
    except DamagedError as error:
        raise DatabaseError(
            f"{path} is damaged ({error}), and was not copied: look at it with `trackd verify`, or put a sound copy in "
            "its place with `trackd restore`."
        ) from error
    before = contents_of(previous) if contents.is_empty and previous.exists() else None
    if before is not None and not before.is_empty:
        raise DatabaseError(
            f"{path} has no profile and no event, and {previous} has {before.profiles} and {before.events}: name "
            "another file for the copy, or remove the one that is there."
        )


def _check_target(path: Path, copy: Path, replace: bool) -> None:
    if not copy.exists() and not copy.parent.is_dir():
        raise DatabaseError(f"{copy} cannot be written: there is no folder {copy.parent}.")
    if copy.exists():
        if copy.samefile(path):
            raise DatabaseError(f"{copy} is the database itself: name another file for its copy.")
        if not copy.is_file():
            raise DatabaseError(
                f"{copy} is not a file: name another one for the copy, or keep several in a folder with --keep."
            )
        if not replace:
            raise DatabaseError(f"{copy} exists already: name another file, or replace it with --force.")
        if DatabaseLock(copy).is_held():
            raise DatabaseError(f"{copy} is in use by another trackd: name another file for the copy.")
    for suffix in ("-wal", "-journal"):
        belonging = side_file(copy, suffix)
        if belonging.exists() and belonging.stat().st_size > 0:  # SQLite would take it for that of the copy
            raise DatabaseError(
                f"{copy} cannot be replaced, it is in use or was not closed ({belonging} exists): name another file."
            )
