"""Lets the check of a large file leave the write-ahead log room: the log cannot start over while a table is read."""

import contextlib
import os
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from trackd.storage.sqlite.connection import LONG_LOG_PAGES, PAGE_BYTES
from trackd.storage.sqlite.log_frames import log_of

NICENESS = 10
MAX_LOG_BYTES = 2 * LONG_LOG_PAGES * PAGE_BYTES
PAUSE_S = 10.0  # for the log to start over, before a table is checked again
MOST_CUTS = 5

CheckTables = Callable[[Path, Collection[str] | None, Callable[[], bool]], list[str]]
"""Checks these tables of a file, None for all, each in a snapshot of its own, until it is over; returns those left."""


class ChecksInParts:
    """Runs a check of tables, which leaves a table when the log has become long, and tries it again later, a few times.

    Lowers the priority of the thread that runs it.
    """

    def __init__(self, path: Path, check: CheckTables, stop: threading.Event) -> None:
        self._path = path
        self._log = log_of(path)
        self._check = check
        self._stop = stop

    def run(self, tables: Collection[str] | None) -> Collection[str]:
        """Check these tables, None for all; return those that are left. Raises what the check raises."""
        with contextlib.suppress(OSError, AttributeError):  # Linux: the priority of this thread alone
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        left = tables
        for _ in range(MOST_CUTS):
            while self._is_log_long() and not self._stop.wait(PAUSE_S):
                pass
            left = self._check(self._path, left, lambda: self._stop.is_set() or self._is_log_long())
            if not left or self._stop.is_set():
                break
        return left or []

    def _is_log_long(self) -> bool:
        try:
            return self._log.stat().st_size > MAX_LOG_BYTES
        except OSError:
            return False
