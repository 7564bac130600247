"""Truncates the write-ahead log after rows were deleted: it holds older versions of the pages that they were in.

A checkpoint copies the newest pages into the file, and leaves the log as it is until later commits overwrite it, from
its beginning. On a server without calls that may take for ever.
"""

import logging
import time
from collections.abc import Callable

import apsw

from trackd.storage.sqlite.connection import BUSY_TIMEOUT_MS, Connection
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

IDLE_S = 0.05  # without a batch: the log is truncated then
OVERDUE_S = 10.0  # without such a moment: it is truncated between two batches
PAUSE_S = 1.0  # between two attempts, of which a reader of the log can prevent one
READERS_TIMEOUT_MS = 20  # reads by key are shorter


class LogTruncation:
    """Truncates the log to which `connection` appends. Used by the thread that commits, between its commits."""

    def __init__(self, connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = connection
        self._monotonic = monotonic
        self._requested_at: float | None = monotonic()  # the log may be that of a process that was killed
        self._next_attempt = 0.0
        self._failures = RateLimitedLog(monotonic)

    def request(self) -> None:
        """Rows were deleted."""
        if self._requested_at is None:
            self._requested_at = self._monotonic()

    def wait_for_input(self, arrives: Callable[[float], bool]) -> None:
        """Return when there is input, and truncate the log before, if that is due.

        `arrives` waits for input for some seconds, and returns whether there is any.
        """
        while self._requested_at is not None:
            now = self._monotonic()
            if not arrives(max(IDLE_S, self._next_attempt - now)):
                self._truncate()
                continue
            if now - self._requested_at > OVERDUE_S and now >= self._next_attempt:
                self._truncate()
            return

    def _truncate(self) -> None:
        self._next_attempt = self._monotonic() + PAUSE_S
        self._db.set_busy_timeout(READERS_TIMEOUT_MS)
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._requested_at = None
        except apsw.BusyError:  # a reader of the log prevents it
            return
        except apsw.Error as error:  # for example a full disk
            if self._failures.due("truncation"):
                log.warning("the write-ahead log cannot be truncated after a deletion, trying again: %s", error)
        finally:
            self._db.set_busy_timeout(BUSY_TIMEOUT_MS)
