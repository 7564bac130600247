"""Finds out whether pages of a file are damaged, after SQLite has met something that it cannot read.

To SQLite a damaged row is the same error as a damaged page. The row concerns its own calls alone; with damaged pages
every further commit may make the damage worse.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import apsw

from trackd.storage.sqlite.checks_in_parts import ChecksInParts
from trackd.storage.sqlite.connection import Connection, connect
from trackd.storage.sqlite.index_damage import OF_INDEX, OF_PAGES, is_of_indexes
from trackd.storage.sqlite.soundness import KEYED_TABLES, STEPS, UnsoundError, tables_in_order, unsound

log = logging.getLogger(__name__)

EVERY_S = 60.0
PAUSE_FACTOR = 10  # a check of a large file takes minutes
FAULTS = "SELECT CAST(integrity_check AS BLOB) FROM pragma_integrity_check(?)"


class DamageCheck:
    """Checks the file at `path` on a thread of its own, at most once a minute, and a tenth of the time."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._parts = ChecksInParts(path, check_pages, self._stop)
        self._due_at = 0.0
        self.fault: UnsoundError | None = None
        """Once pages are found to be damaged."""

    def request(self) -> None:
        """Begin a check, unless one is under way or was made just now."""
        if (self._thread is None or not self._thread.is_alive()) and self._monotonic() >= self._due_at:
            self._stop.clear()
            self._thread = threading.Thread(target=self._check, name="trackd-damage-check", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait for the check that is under way."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """End the check that is under way, and close its connection."""
        self._stop.set()
        self.wait()

    def _check(self) -> None:
        began = self._monotonic()
        self._find()
        ended = self._monotonic()
        self._due_at = ended + max(EVERY_S - (ended - began), PAUSE_FACTOR * (ended - began))

    def _find(self) -> None:
        try:
            left = self._parts.run(None)
        except UnsoundError as error:
            self.fault = error
        except apsw.Error as error:
            log.warning("something in %s cannot be read, and the file cannot be checked: %s", self._path, error)
        else:
            if not left:
                log.error(
                    "a row of %s cannot be read: `trackd verify` names it. The pages of the file are sound", self._path
                )
            elif not self._stop.is_set():
                log.error(
                    "something in %s cannot be read, and its check was not finished, it would have kept the log from "
                    "starting over: `trackd verify` checks the tables that are left (%s)",
                    self._path,
                    ", ".join(left),
                )


def check_pages(path: Path, tables: Collection[str] | None, is_over: Callable[[], bool]) -> list[str]:
    """Check the structure of these tables, by default all, with their indexes; return those that are left then.

    Raises UnsoundError, and errors of SQLite if the file cannot be read.
    """
    try:
        with contextlib.closing(connect(path, mode="ro")) as connection:
            left = tables_in_order(connection) if tables is None else list(tables)
            connection.set_progress_handler(is_over, STEPS)
            with contextlib.suppress(apsw.InterruptError):
                while left and not is_over():
                    _check_table(connection, path, left[0])
                    del left[0]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise unsound(path, str(error)) from error
    return left


def _check_table(connection: Connection, path: Path, table: str) -> None:
    faults = [found.decode(errors="replace") for (found,) in connection.execute(FAULTS, (table,))]
    of_pages = [fault for fault in faults if fault.startswith(OF_PAGES) or OF_INDEX in fault]
    if of_pages:
        fault = of_pages[0]
        text = " ".join(fault.split("\n")[1:2]) if fault.startswith(OF_PAGES) else fault
        raise unsound(path, text, of_index=is_of_indexes(connection, of_pages))
    if column := KEYED_TABLES.get(table):  # a damaged row there lies between the keys of others
        connection.execute(f"SELECT sum(length({column})) FROM {table}").fetchall()
