"""Checkpoints, which copy the write-ahead log into the database file.

The log starts over when all of it is copied between two commits, which have to wait meanwhile. So most of it is copied
earlier, while commits go on, by a thread on a connection of its own.
"""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import apsw

from trackd.storage.sqlite.connection import USUAL_LOG_PAGES, Connection, DiskFailureError, extended_code
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

EARLY = USUAL_LOG_PAGES * 3 // 4  # pages
WORTH_IT = USUAL_LOG_PAGES // 16  # pages more than at the previous checkpoint


def log_pages(connection: Connection) -> tuple[int, int]:
    """The pages of the log to which the connection appends, and how many of them are copied into the file."""
    return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)


def checkpoint(connection: Connection, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE) -> bool:
    """Copy the log, as far as its readers allow; return whether that was possible to the extent of `mode`.

    Raises DiskFailureError, and other errors of SQLite, for example on a full disk: then the log is still complete.
    """
    try:
        connection.wal_checkpoint(mode=mode)
    except apsw.BusyError:  # a reader of the log; what can be copied is copied
        return False
    except apsw.IOError as error:
        raise DiskFailureError(f"a checkpoint failed, {reason_of(error)}") from error
    return True


def reason_of(error: apsw.Error) -> str:
    """SQLite's message, with its name of the operation that failed."""
    code = extended_code(error)
    return f"{error} ({apsw.mapping_extended_result_codes.get(code) or code})"


class Checkpointer:
    """Checkpoints the log to which the connection `writer` appends.

    Owns `connection`, a second one to the same file, and writes nothing else with it. `on_failure` is called on another
    thread.
    """

    def __init__(
        self, writer: Connection, connection: Connection, on_failure: Callable[[DiskFailureError], None]
    ) -> None:
        self._writer = writer
        self._db = connection
        self._on_failure = on_failure
        self._failures = RateLimitedLog()
        self._requested_at = 0  # pages of the log
        self._requests: SimpleQueue[bool] = SimpleQueue()  # False: end
        self._thread = threading.Thread(target=self._run, name="trackd-checkpointer", daemon=True)
        self._thread.start()

    def after_commit(self) -> int:
        """Checkpoint, or request a checkpoint, if the log is long enough; return the pages of the log.

        To be called after each commit, by the same thread. Raises DiskFailureError.
        """
        try:
            pages, _ = log_pages(self._writer)
        except apsw.Error as error:
            if self._failures.due("length"):
                log.warning("the length of the write-ahead log cannot be read: %s", error)
            return 0
        if pages >= USUAL_LOG_PAGES:
            self._checkpoint(self._writer)
        elif pages >= EARLY and not self._requested_at <= pages < self._requested_at + WORTH_IT:
            self._requested_at = pages
            self._requests.put(True)
        return pages

    def close(self) -> None:
        """Finish the requested checkpoints, then end the thread and close its connection."""
        self._requests.put(False)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while self._requests.get():
            try:
                self._checkpoint(self._db)
            except DiskFailureError as failure:
                self._on_failure(failure)

    def _checkpoint(self, connection: Connection) -> None:
        try:
            checkpoint(connection)
        except apsw.Error as error:
            if self._failures.due("checkpoint"):
                log.warning("the write-ahead log cannot be copied into the file, trying again: %s", error)
