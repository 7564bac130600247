"""Checkpoints beside the commits: on a connection and a thread of its own.

By itself SQLite checkpoints after the commit that makes the write-ahead log long enough, and nothing is committed
meanwhile: 40 ms for 16 MB. Most of the log is copied before that here, so that little is left for SQLite to do.
"""

import logging
import threading
from queue import SimpleQueue

import pysqlite3 as sqlite3

from trackd.storage.sqlite.connection import AUTOCHECKPOINT, Connection

log = logging.getLogger(__name__)

LONG = AUTOCHECKPOINT * 3 // 4  # pages
WORTH_IT = AUTOCHECKPOINT // 16  # pages more than at the checkpoint before


class Checkpointer:
    """Copies the log that `writer` fills. Owns `connection`, which is to the same file, and writes nothing else."""

    def __init__(self, writer: Connection, connection: Connection) -> None:
        self._writer = writer
        self._db = connection
        self._seen = 0  # pages in the log
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="trackd-checkpointer", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """After a commit, by the thread that commits: whether there is enough to copy."""
        try:
            _, pages, _ = self._writer.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
        except sqlite3.Error as error:
            log.warning("the length of the write-ahead log cannot be read: %s", error)
            return
        # At its full length the log is SQLite's: only what ends between two commits lets it begin anew.
        if LONG <= pages < AUTOCHECKPOINT and not self._seen <= pages < self._seen + WORTH_IT:
            self._seen = pages
            self._wanted.put(True)

    def close(self) -> None:
        """After the checkpoints that are wanted."""
        self._wanted.put(False)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while self._wanted.get():
            try:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:  # the log keeps what it has, and SQLite checkpoints by itself later
                log.warning("a checkpoint failed: %s", error)
