"""What all nodes on a PostgreSQL database share: changes that they notice at once, and duties that one of them has.

Triggers notify a channel of each change of a source, a token or a job. A thread listens, and reads all of these again,
so that the event loop reads them from memory. After a lost connection it reads them too: it may have missed a change.
"""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import psycopg

from trackd.core.documents import Source, Token
from trackd.core.jobs import Job
from trackd.storage.errors import StoreError
from trackd.storage.postgres.administration import (
    SELECT_JOBS,
    SELECT_SOURCES,
    SELECT_TOKENS,
    SOURCES_VERSION,
    job_of,
    source_of,
    token_of,
)
from trackd.storage.postgres.connection import Connection, reason_of
from trackd.storage.postgres.schema import CHANNEL
from trackd.storage.store import Duty
from trackd.telemetry.faults import without_values

log = logging.getLogger(__name__)

BEAT_S = 0.5  # between two looks at the connection and at duties that another node has
LATE_S = 1.5  # without an answer: the server hangs, or the network
CLOSE_TIMEOUT_S = 1.0
LISTEN = f"LISTEN {CHANNEL}"
ALL_JOBS = f"{SELECT_JOBS} ORDER BY number"
LOCKS = {Duty.RETENTION: 0x74726B65, Duty.JOBS: 0x74726B66}
TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"


class Shared(NamedTuple):
    """A copy of what changes seldom."""

    version: int
    sources: Sequence[Source]
    tokens: Sequence[Token]
    jobs: Sequence[Job]


class Notices:
    """A thread with a connection of its own, between `start` and `close`.

    Its copy stays in use while the database is away.
    """

    def __init__(self, url: str, reconnected: Callable[[], None]) -> None:
        """`reconnected` is called in the thread, each time that a lost connection was opened again."""
        self._reconnected = reconnected
        self._connection = Connection(url)
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
        self._woken, self._wakes = os.pipe()
        self._closing = False
        self._shared: Shared | None = None
        self._expired = self._read = 0  # the copy has all changes of this node when they are equal
        self._is_notified = False
        self._duties: dict[Duty, bool | None] = dict.fromkeys(Duty)  # None: nobody has asked for it
        self._error: StoreError | None = None
        self._beat_at = math.inf  # the last answer of the server; the first one may take its time

    @property
    def error(self) -> StoreError | None:
        """Why there is no connection, or no answer on it; None when there is one."""
        if self._error is None and time.monotonic() - self._beat_at > LATE_S:
            return StoreError("the database does not answer")
        return self._error

    def start(self) -> None:
        """Begin to connect, and return at once."""
        self._thread.start()

    def shared(self) -> Shared | None:
        """The copy; None before the first one, and until it has the last change of this node."""
        return self._shared if self._read == self._expired or self.error is not None else None

    def expire(self) -> None:
        """This node has committed a change: the copy is not used until it is read again."""
        self._expired += 1
        self._wake()

    def has_duty(self, duty: Duty) -> bool:
        """Whether this node is the one that has the duty. It asks for it from the first call on."""
        is_own = self._duties[duty]
        if is_own is None:
            self._duties[duty] = False
            self._wake()
        return bool(is_own)

    def close(self) -> None:
        self._closing = True
        self._wake()
        self._thread.join(CLOSE_TIMEOUT_S)
        if not self._thread.is_alive():  # else it waits for a server that hangs, and ends with the process
            os.close(self._woken)
            os.close(self._wakes)

    def _wake(self) -> None:
        os.write(self._wakes, b".")

    def _run(self) -> None:
        while not self._closing:
            try:
                self._listen()
            except (StoreError, psycopg.Error) as error:
                self._lose(error)
            except Exception as error:  # a bug: the copy would never change again
                log.error("changes of other nodes are not noticed", exc_info=without_values(error))
                self._lose(StoreError("changes of other nodes are not noticed"))
        self._connection.close()

    def _lose(self, error: Exception) -> None:
        self._error = error if isinstance(error, StoreError) else StoreError(f"no connection: {reason_of(error)}")
        for duty, is_own in self._duties.items():
            self._duties[duty] = is_own and False  # the locks were those of the connection
        self._connection.close()
        self._wait()

    def _listen(self) -> None:
        """Connect and keep the copy current. Raises StoreError and errors of psycopg when the connection is lost."""
        db = self._connection
        db.open().add_notify_handler(self._notified)
        db.run(LISTEN)
        if self._shared is not None:
            self._reconnected()
        self._is_notified = True
        while not self._closing:
            expired = self._expired
            if self._is_notified or self._read != expired:
                self._is_notified = False
                self._shared = _read(db)
                self._read = expired
            for duty, is_own in self._duties.items():
                if is_own is False:
                    [(self._duties[duty],)] = db.rows(TRY_LOCK, [LOCKS[duty]])
            self._error, self._beat_at = None, time.monotonic()
            if not self._is_notified:
                self._wait(db.open().fileno())
                db.rows("SELECT 1")  # the notifications come with it, or the loss of the connection

    def _notified(self, _: psycopg.Notify) -> None:
        self._is_notified = True

    def _wait(self, *others: int) -> None:
        """Until a descriptor can be read, this node has something to do, or it is time to look."""
        poll = select.poll()  # select() raises on a descriptor above 1,023, which a node with many clients has
        for descriptor in (self._woken, *others):
            poll.register(descriptor, select.POLLIN)
        if any(descriptor == self._woken for descriptor, _ in poll.poll(BEAT_S * 1_000)):
            os.read(self._woken, 4_096)


def _read(db: Connection) -> Shared | None:
    """None when a row is damaged: reads by key report it.

    The version is read first: a change meanwhile makes it another one.
    """
    try:
        [(version,)] = db.rows(SOURCES_VERSION)
        return Shared(
            version,
            [source_of(row) for row in db.rows(SELECT_SOURCES)],
            [token_of(row) for row in db.rows(SELECT_TOKENS)],
            [job_of(row) for row in db.rows(ALL_JOBS)],
        )
    except (TypeError, ValueError, AttributeError, LookupError):
        return None
