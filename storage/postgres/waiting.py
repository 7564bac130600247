"""Waiting for a PostgreSQL server, with limits of time.

The kernel gives up a server that acknowledges nothing (SETTINGS of connection.py). A proxy or a pool between the two
may acknowledge everything, and pass nothing on: the answer to a statement never comes, and no connection ends. So the
server is asked about a statement that takes long, on another connection.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.waiting import wait_async

from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

HURRY_S = 1.5  # of the event loop for a statement
PATIENCE_S = 5.0  # between two questions about a statement; a server that works on one may take its time
ON_ITS_WAY_S = 1.0  # of an answer, after the server has ended the statement
UNREACHABLE_S = 30.0  # of a statement, when the server cannot be asked
ASK_TIMEOUT_S = 3
# A session that waits for its client has sent its answer, or lacks a part of what was sent to it.
AT_WORK = """
SELECT state = 'active' AND wait_event_type IS DISTINCT FROM 'Client', wait_event IS NOT DISTINCT FROM 'SyncRep'
FROM pg_stat_activity WHERE pid = %s
"""
_limited_log = RateLimitedLog()


class Hurried(psycopg.Connection[tuple[Any, ...]]):
    """A statement that takes longer than HURRY_S ends the connection, and raises TimeoutError."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        began = time.monotonic()
        try:
            return super().wait(gen, interval, HURRY_S)
        except psycopg.OperationalError:
            if time.monotonic() - began < HURRY_S:
                raise
            self.pgconn.finish()  # its state is unknown
            raise TimeoutError from None


class Cancellable(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A statement whose task is cancelled ends the connection. psycopg would ask the server first, for up to 5 s.

    Nothing else may close the connection meanwhile: libuv aborts a process that watches a closed descriptor.
    """

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


class Watched(psycopg.Connection[tuple[Any, ...]]):
    """A statement that the server no longer works on, and has not answered, ends the connection: OperationalError."""

    url = ""
    pid: int | None = None
    """The process of the server, None until it is known: a pool between the two shows another one."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        began = time.monotonic()
        due = began + PATIENCE_S
        is_ended = False
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    is_ended = False
                elif time.monotonic() > due:
                    is_ended = self._is_ended(time.monotonic() - began, is_ended)
                    due = time.monotonic() + (min(PATIENCE_S, ON_ITS_WAY_S) if is_ended else PATIENCE_S)
                wanted = gen.send(ready)
        except StopIteration as ended:
            return ended.value

    def _is_ended(self, waited_s: float, was_ended: bool) -> bool:
        """Whether the server no longer works on the statement. Raises OperationalError when its answer is lost."""
        is_at_work, waits_for_standby = self._state()
        if (is_at_work is False and was_ended) or (is_at_work is None and waited_s > UNREACHABLE_S):
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the connection is lost: no answer for {waited_s:.0f} s")
        if waits_for_standby and _limited_log.due("standby") is not None:
            log.warning("a commit has waited for %d s for a synchronous standby: see that one runs", waited_s)
        return is_at_work is False

    def _state(self) -> tuple[bool | None, bool]:
        """Whether the server works on the statement, None if it cannot be asked; and waits for a standby with it."""
        try:
            other = Hurried.connect(self.url, autocommit=True, connect_timeout=ASK_TIMEOUT_S)
            with contextlib.closing(other):
                found = other.execute(AT_WORK, [self.pid or self.info.backend_pid]).fetchone()
        except (psycopg.Error, TimeoutError):
            return None, False
        return (False, False) if found is None else (bool(found[0]), bool(found[1]))
