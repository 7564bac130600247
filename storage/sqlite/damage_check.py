"""Finds out whether pages of a file are damaged, after SQLite has met something that it cannot read.

To SQLite a damaged row is the same error as a damaged page. The row concerns its own calls alone; with damaged pages
every further commit may make the damage worse.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apsw

from trackd.storage.sqlite.connection import connect
from trackd.storage.sqlite.index_damage import OF_INDEX, OF_PAGES, is_of_indexes
from trackd.storage.sqlite.soundness import KEYED_TABLES, STEPS, UnsoundError, unsound

log = logging.getLogger(__name__)

EVERY_S = 60.0
PAUSE_FACTOR = 10  # a check of a large file takes minutes, and the log cannot be truncated meanwhile
FAULTS = "SELECT CAST(integrity_check AS BLOB) FROM pragma_integrity_check"


class DamageCheck:
    """Checks the file at `path` on a thread of its own, at most once a minute, and a tenth of the time."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
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
            found = damage_of_pages(self._path, self._stop.is_set)
        except apsw.InterruptError:
            return
        except apsw.Error as error:
            log.warning("something in %s cannot be read, and the file cannot be checked: %s", self._path, error)
            return
        if found is None:
            log.error(
                "a row of %s cannot be read: `trackd verify` names it. The pages of the file are sound", self._path
            )
        else:
            self.fault = unsound(self._path, found.fault, of_index=found.of_index)


class Damage(NamedTuple):
    fault: str
    of_index: bool
    """Whether it concerns indexes alone."""


def damage_of_pages(path: Path, is_over: Callable[[], bool] = lambda: False) -> Damage | None:
    """What is wrong with the structure of a file, None if it is sound.

    Raises errors of SQLite if it cannot be read, and InterruptError when it is over.
    """
    try:
        with contextlib.closing(connect(path, mode="ro")) as connection:
            connection.set_progress_handler(is_over, STEPS)
            faults = [found.decode(errors="replace") for (found,) in connection.execute(FAULTS)]
            of_pages = [fault for fault in faults if fault.startswith(OF_PAGES) or OF_INDEX in fault]
            if of_pages:
                fault = of_pages[0]
                text = " ".join(fault.split("\n")[1:2]) if fault.startswith(OF_PAGES) else fault
                return Damage(text, is_of_indexes(connection, of_pages))
            for table, column in KEYED_TABLES.items():  # a damaged row there lies between the keys of others
                connection.execute(f"SELECT sum(length({column})) FROM {table}").fetchall()
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return Damage(str(error), of_index=False)
    return None
