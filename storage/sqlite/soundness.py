"""Looks, after an unclean end, whether the pages of a database file are sound, before a server begins on it.

SQLite finds damage only when it comes to a damaged page, after any number of calls. A damaged row concerns its own
calls alone, except in a table whose rows are ordered by their content. SQLite's quick check reads all pages, so it
takes as long as the disk does: what is not done in time is left for later.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import apsw

from trackd.storage.sqlite.checks_in_parts import ChecksInParts
from trackd.storage.sqlite.connection import Connection, DatabaseError, connect, database_errors
from trackd.storage.sqlite.index_damage import OF_PAGES, is_of_indexes
from trackd.storage.sqlite.log_frames import log_of

log = logging.getLogger(__name__)

WITHIN_S = 1.0
STEPS = 1_000  # of SQLite's machine, or pages, between two looks at the clock
LARGE = ("profile", "session", "event_id", "event")  # the largest one last
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
FAULTS = "SELECT CAST(quick_check AS BLOB) FROM pragma_quick_check(?) WHERE quick_check <> 'ok'"
KEYED_TABLES = {"event_id": "seq", "merged": "into_id", "pii": "profile_id", "erased": "number"}  # with the last column


class UnsoundError(DatabaseError):
    """The database file is damaged. The message is a sentence that names the remedy."""


def check_after_unclean_end(path: Path) -> list[str]:
    """Check a file that was not closed; return the tables for which the time was too short.

    The last process that closes a file removes its log: a file without one is not read. Raises UnsoundError, and then
    has changed nothing. For the process that has the lock of the file.
    """
    if not log_of(path).exists():
        return []
    ends = time.monotonic() + WITHIN_S
    return check_tables_of(path, None, lambda: time.monotonic() > ends)


class BackgroundCheck:
    """Checks the tables that are left, on a thread of its own with low priority, while a server runs.

    `fault` is None until it finds one.
    """

    def __init__(self, path: Path, tables: Collection[str]) -> None:
        self._tables = tables
        self._stop = threading.Event()
        self._parts = ChecksInParts(path, check_tables_of, self._stop)
        self._thread = threading.Thread(target=self._run, name="trackd-check", daemon=True)
        self.fault: UnsoundError | None = None
        if tables:
            self._thread.start()

    def request_stop(self) -> None:
        """Let it end soon, without a wait for the disk."""
        self._stop.set()

    def stop(self) -> None:
        """End the check, and close its connection."""
        self._stop.set()
        if self._tables:
            self._thread.join()

    def _run(self) -> None:
        try:
            left = self._parts.run(self._tables)
        except UnsoundError as error:
            self.fault = error
        except DatabaseError as error:
            log.warning("the check of the file after the unclean end was not finished: %s", error)
        else:
            if not left:
                log.info("the file is sound: its check after the unclean end found nothing")
            elif not self._stop.is_set():
                log.warning(
                    "the check of the file after the unclean end was not finished, it would have kept the log from "
                    "starting over: `trackd verify` checks the tables that are left (%s)",
                    ", ".join(left),
                )


def check_tables_of(path: Path, tables: Collection[str] | None, is_over: Callable[[], bool]) -> list[str]:
    """Check these tables, by default all, with their indexes; return those that were not done when it was over."""
    with _errors(path), contextlib.closing(connect(path, mode="ro")) as connection:
        left = tables_in_order(connection) if tables is None else list(tables)
        connection.set_progress_handler(is_over, STEPS, id="check")
        with contextlib.suppress(apsw.InterruptError):
            while left and not is_over():
                faults = [found.decode(errors="replace") for (found,) in connection.execute(FAULTS, (left[0],))]
                fault = " ".join(faults[0].split()) if faults else ""  # those of pages come before those of rows
                if fault and (left[0] in KEYED_TABLES or fault.startswith(OF_PAGES)):
                    raise unsound(path, f"{left[0]}: {fault}", of_index=is_of_indexes(connection, faults))
                if fault:
                    log.error("a row of %s cannot be read as it should: %s; `trackd verify` names it", left[0], fault)
                del left[0]
    return left


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        with database_errors(path):
            yield
    except DatabaseError as error:
        if isinstance(error.__cause__, apsw.CorruptError | apsw.NotADBError):
            raise unsound(path, str(error.__cause__)) from error
        raise


def tables_in_order(connection: Connection) -> list[str]:
    """The first one stands for the list of free pages too."""
    names = ["sqlite_schema"] + [name for (name,) in connection.execute(TABLES)]
    return sorted(names, key=lambda name: LARGE.index(name) if name in LARGE else -1)


def unsound(path: Path, fault: str, *, of_index: bool = False) -> UnsoundError:
    """`of_index` when it concerns indexes alone."""
    if of_index:
        return UnsoundError(
            f"an index of {path} is damaged, and no row ({fault}): stop the server, copy the file, and let SQLite "
            f"build the index again with `sqlite3 {path} REINDEX`; if that fails, put a backup in its place with "
            f"`trackd restore BACKUP --db {path} --force`."
        )
    return UnsoundError(
        f"{path} is damaged ({fault}): put a backup in its place with `trackd restore BACKUP --db {path} --force`, or "
        f"look at it with `trackd verify --db {path}`."
    )
