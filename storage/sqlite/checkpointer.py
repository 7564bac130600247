"""Checkpoints, which copy the write-ahead log into the database file, on a thread and a connection of their own.

SQLite itself checkpoints after a commit that makes the log long enough, and no commit can follow until it is done. Here
most of the log is copied earlier, while commits go on, so that little is left for SQLite to copy.
"""

import logging
import threading
from queue import SimpleQueue

import apsw

from trackd.storage.sqlite.connection import AUTOCHECKPOINT, Connection

log = logging.getLogger(__name__)

LONG = AUTOCHECKPOINT * 3 // 4  # pages
WORTH_IT = AUTOCHECKPOINT // 16  # pages more than at the previous checkpoint


class Checkpointer:
    """Checkpoints the log to which the connection `writer` appends.

    Owns `connection`, a second one to the same file, and writes nothing else with it.
    """

    def __init__(self, writer: Connection, connection: Connection) -> None:
        self._writer = writer
        self._db = connection
        self._requested_at = 0  # pages of the log
        self._requests: SimpleQueue[bool] = SimpleQueue()  # False: end
        self._thread = threading.Thread(target=self._run, name="trackd-checkpointer", daemon=True)
        self._thread.start()

    def request_if_due(self) -> None:
        """Request a checkpoint when the log is long enough. To be called after each commit, by the same thread."""
        try:
            pages, _ = self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        except apsw.Error as error:
            log.warning("the length of the write-ahead log cannot be read: %s", error)
            return
        # A log of full length is left to SQLite: only a checkpoint between two commits lets the log start over.
        if LONG <= pages < AUTOCHECKPOINT and not self._requested_at <= pages < self._requested_at + WORTH_IT:
            self._requested_at = pages
            self._requests.put(True)

    def close(self) -> None:
        """Finish the requested checkpoints, then end the thread and close its connection."""
        self._requests.put(False)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while self._requests.get():
            try:
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error as error:  # the log stays complete, and SQLite checkpoints later by itself
                log.warning("a checkpoint failed: %s", error)
