"""Truncates the write-ahead log: after rows were deleted, because it holds older versions of the pages that they were
in, and when it has become long.

A checkpoint copies the newest pages into the file, and leaves the log as it is until later commits overwrite it, from
its beginning. On a server without calls that may take for ever; and while there is always some reader of the log, it
does not start over but grows.
"""

import logging
import time
from collections.abc import Callable

import apsw

from trackd.storage.sqlite.checkpointer import checkpoint, log_pages
from trackd.storage.sqlite.connection import BUSY_TIMEOUT_MS, LONG_LOG_PAGES, Connection
from trackd.storage.sqlite.opened_files import OpenedFiles
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

IDLE_S = 0.05  # without a batch: the log is truncated then
OVERDUE_S = 10.0  # without such a moment: it is truncated between two batches
PAUSE_S = 1.0  # between two attempts, of which a reader of the log can prevent one
READERS_TIMEOUT_MS = 20  # reads by key are shorter
# A long log is worth a longer wait for its readers, during which no batch is committed: a tenth of the time at most,
# and longer after an attempt that failed. Readers that overlap must all end, and those that begin meanwhile.
LONG_LOG_TIMEOUTS_MS = (300, 2_500)  # below `limits.slow_commit_s`: the server would not be ready
POLL_MS = 50  # SQLite waits for what a reader held at first, though the next one in its place prevents nothing
PAUSE_FACTOR = 10


class LogTruncation:
    """Truncates the log to which `connection` appends. Used by the thread that commits, between its commits.

    A log is not copied into a file that was overwritten, see `OpenedFiles`. `wait_for_input` raises DiskFailureError.
    """

    def __init__(
        self, connection: Connection, files: OpenedFiles, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = connection
        self._files = files
        self._monotonic = monotonic
        self._requested_at: float | None = monotonic()  # the log may be that of a process that was killed
        self._next_attempt = self._next_idle_attempt = 0.0
        self._is_long = False  # at the last commit
        self._failed_attempts = 0
        self._copied = 0  # of its pages, at the last attempt to truncate it under load
        self._failures = RateLimitedLog(monotonic)

    def request(self) -> None:
        """Rows were deleted."""
        if self._requested_at is None:
            self._requested_at = self._monotonic()

    def log_has(self, pages: int) -> None:
        """To be called after each commit with the length of the log."""
        self._is_long = pages >= LONG_LOG_PAGES
        if not self._is_long:
            self._failed_attempts = 0

    def wait_for_input(self, arrives: Callable[[float], bool]) -> None:
        """Return when there is input, and truncate the log before, if that is due.

        `arrives` waits for input for some seconds, and returns whether there is any.
        """
        while self._requested_at is not None or self._is_long:
            now = self._monotonic()
            if not arrives(max(IDLE_S, self._next_idle_attempt - now)):
                self._truncate(READERS_TIMEOUT_MS)
                continue
            if now >= self._next_attempt:
                if self._is_long and self._readers_change():
                    self._truncate(LONG_LOG_TIMEOUTS_MS[self._failed_attempts])
                    self._failed_attempts = min(self._failed_attempts + 1, len(LONG_LOG_TIMEOUTS_MS) - 1)
                elif self._requested_at is not None and now - self._requested_at > OVERDUE_S:
                    self._truncate(READERS_TIMEOUT_MS)
            return

    def _readers_change(self) -> bool:
        """Whether a wait for the readers may help: not when one of them, such as an export, reads all the time."""
        try:
            _, copied = log_pages(self._db)
        except apsw.Error:
            return False
        changed = copied != self._copied
        self._copied = copied
        return changed

    def _truncate(self, timeout_ms: int) -> None:
        now = self._monotonic()
        self._next_idle_attempt = now + PAUSE_S
        self._next_attempt = now + max(PAUSE_S, PAUSE_FACTOR * timeout_ms / 1000)
        if self._files.is_overwritten():
            return
        self._db.set_busy_timeout(min(timeout_ms, POLL_MS))
        try:
            if any(checkpoint(self._db, apsw.SQLITE_CHECKPOINT_TRUNCATE) for _ in range(0, timeout_ms, POLL_MS)):
                self._requested_at = None
                self._is_long, self._copied = False, 0
        except apsw.Error as error:  # for example a full disk
            if self._failures.due("truncation"):
                log.warning("the write-ahead log cannot be truncated, trying again: %s", error)
        finally:
            self._db.set_busy_timeout(BUSY_TIMEOUT_MS)
