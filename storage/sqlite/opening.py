"""Opens a database file to read it without a trace: nothing is written to it, and no file is made beside it.

SQLite makes two files beside a file with a write-ahead log, also for a connection that only reads, and leaves them. A
file that needs no log is therefore read as a file that nobody changes (`immutable`). That is also the only way in a
folder that is not writable. Its reader sees no lock, so it compares the state of the file before and after.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from trackd.storage.sqlite.connection import (
    BUSY_TIMEOUT_MS,
    SQLITE_ERRORS,
    Connection,
    DatabaseError,
    Mode,
    NoDatabaseError,
    connect,
)
from trackd.storage.sqlite.file_format import APPLICATION_ID, MIGRATIONS, applied_migrations, table_names

T = TypeVar("T")
Suffix = Literal["-wal", "-shm", "-journal", "-restoring"]
"""The log, its index, the journal of a file without log; the last one is there while a restore exchanges the files."""

WITHOUT_LOCKS: Literal["ro&immutable=1"] = "ro&immutable=1"

POLL_S = 0.02
CREATED_WITHIN_S = 0.5
REMEDY = "start `trackd serve` first, or name another with --db"


class FileState(NamedTuple):
    """Changes when another connection writes to the file: first its log grows, then the file itself changes."""

    log_bytes: int
    inode: int
    file_bytes: int
    modified_ns: int

    def is_unchanged(self, path: Path) -> bool:
        """Whether the file is still the same. Its log may have grown."""
        try:
            return file_state(path)[1:] == self[1:]
        except DatabaseError:
            return False


def side_file(path: Path, suffix: Suffix) -> Path:
    """The path of a file beside a database file that belongs to it: a link and its target have the same ones."""
    real = Path(os.path.realpath(path))  # links without an end are found when the file is opened
    return real.with_name(f"{real.name}{suffix}")


def file_state(path: Path) -> FileState:
    """Raises DatabaseError."""
    try:
        try:
            log_bytes = side_file(path, "-wal").stat().st_size
        except FileNotFoundError:  # also when the last connection removes it at this moment
            log_bytes = 0
        file = path.stat()
    except FileNotFoundError:
        raise NoDatabaseError(f"There is no database {path.absolute()}: {REMEDY}.") from None
    except OSError as error:
        raise DatabaseError(f"{path} cannot be read ({error.strerror}): {REMEDY}.") from error
    return FileState(log_bytes, file.st_ino, file.st_size, file.st_mtime_ns)


@contextlib.contextmanager
def log_kept_open(path: Path) -> Iterator[None]:
    """Keep a connection to the file open, so that further ones take over what it has found in the log.

    Each connection that is the first one reads all of the log: seconds for a long one. A file that cannot be read is
    left to those that are opened in the block.
    """
    with contextlib.ExitStack() as opened:
        if side_file(path, "-wal").exists():
            with contextlib.suppress(*SQLITE_ERRORS):
                connection = opened.enter_context(contextlib.closing(connect(path, mode="ro")))
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        yield


def mode_for_reading(path: Path, state: FileState) -> Mode:
    """Without locks where no process uses the file."""
    is_in_use = side_file(path, "-wal").exists() and side_file(path, "-shm").exists()
    return WITHOUT_LOCKS if can_be_read_without_locks(path, state) and not is_in_use else "ro"


def can_be_read_without_locks(path: Path, state: FileState) -> bool:
    """Whether no log and no journal are needed to read the file."""
    return state.log_bytes == 0 and not side_file(path, "-journal").exists()


def once_unchanged(path: Path, read: Callable[[FileState], T]) -> T:
    """Call `read` with the state of the file, again when it fails and the file has changed meanwhile.

    Another trackd may be creating the tables at this moment. With a log, `read` has seen one state of the file.
    """
    start = time.monotonic()
    while True:
        before = file_state(path)
        try:
            return read(before)
        except (*SQLITE_ERRORS, DatabaseError) as error:
            patience_s = BUSY_TIMEOUT_MS / 1000
            if isinstance(error, NoDatabaseError):
                patience_s = CREATED_WITHIN_S
            elif before.log_bytes or file_state(path) == before:
                raise
            if time.monotonic() > start + patience_s:
                raise
            time.sleep(POLL_S)


def check_format(connection: Connection, path: Path, *, new: bool = False) -> frozenset[str]:
    """Return the names of the migrations that the file lacks.

    Raises DatabaseError for the file of another program or of a newer trackd, and NoDatabaseError for one without
    tables; when it is `new`, it lacks nothing.
    """
    connection.execute("BEGIN")  # one snapshot
    application_id, tables = connection.pragma("application_id"), table_names(connection)
    applied = applied_migrations(connection)
    connection.execute("ROLLBACK")
    if application_id != APPLICATION_ID and (application_id != 0 or tables):
        raise DatabaseError(f"{path} is a database of another program: name another file.")
    if not tables:
        if new:
            return frozenset()
        raise NoDatabaseError(f"{path.absolute()} has no tables, it is no database of trackd: {REMEDY}.")
    if unknown := applied - MIGRATIONS:
        raise DatabaseError(
            f"{path} was written by a newer trackd (it has {', '.join(sorted(unknown))}): "
            "install that version, or name another file."
        )
    return MIGRATIONS - applied
