"""Single requests, which are not measured: the probe before a run, and the reading after it."""

import asyncio
import contextlib
import ssl

from trackd.load.connection import Connection
from trackd.load.target import Target

TIMEOUT_S = 60
MAX_TRIES = 5


class Requester:
    """Sends one request at a time, on a connection that is opened on demand."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tls = ssl.create_default_context() if target.tls else None
        self._connection: Connection | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Returns status and body. After a 429 or 503 it waits and sends the request again. Raises OSError."""
        status, body = 0, b""
        for tries in range(1, MAX_TRIES + 1):
            try:
                status, body = await self._send_once(request)
            except OSError:
                if tries == MAX_TRIES or self._connection is None:
                    raise
                self._connection = None  # it may have been idle for too long
                continue
            if status not in (429, 503):
                break
            await asyncio.sleep((self._connection and self._connection.retry_after) or 1.0)
        return status, body

    async def _send_once(self, request: bytes) -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        if self._connection is None or not self._connection.usable:
            self._connection = None
            where = self._target.host, self._target.port
            async with asyncio.timeout(TIMEOUT_S):
                _, self._connection = await loop.create_connection(lambda: Connection(self), *where, ssl=self._tls)
        self._answer = loop.create_future()
        self._connection.send(request)
        try:
            return await asyncio.wait_for(self._answer, TIMEOUT_S)
        finally:
            self._answer = None

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        self._resolve(connection, (status, body))

    def lost(self, connection: Connection) -> None:
        self._resolve(connection, ConnectionError("the server closed the connection"))

    def _resolve(self, connection: Connection, outcome: tuple[int, bytes] | Exception) -> None:
        if connection is not self._connection or self._answer is None or self._answer.done():
            return
        if isinstance(outcome, Exception):
            self._answer.set_exception(outcome)
        else:
            self._answer.set_result(outcome)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
