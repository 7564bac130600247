"""The writer as a process of its own: the event loop keeps its interpreter to itself.

The other end is writer_child.py. It ends when its stdin does, so also when the server is killed.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from typing import Any

from trackd.storage.store import Change, StoreError
from trackd.storage.wire import Frames, decode_result, encode_batch, framed, with_unsaid
from trackd.storage.writer import BatchResult, Committed

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
KILL_TIMEOUT_S = 1.0  # a disk that hangs holds a killed process too
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0  # before the process is started again, doubled each time that it ends


class WriterProcess:
    """See `BatchWriter`. A process that ends by itself is started again; until then nothing is committed.

    Nobody can know whether the disk has the batch that it was given: those calls are answered 503 and may be sent
    again, and whatever the actors build on is compared with what is stored. That it ended is handed back as an error
    also when there was no batch.

    `command` starts what runs `commit_frames` on its stdin and stdout. `inherited` are file descriptors that it
    keeps open.
    """

    def __init__(self, command: Sequence[str], committed: Committed, inherited: Sequence[int] = ()) -> None:
        self._command = command
        self._committed = committed
        self._inherited = tuple(inherited)
        self._child: _Child | None = None
        self._in_flight: frozenset[int] | None = None  # the positions of what was left out of the batch
        self._pause_s = FIRST_PAUSE_S
        self._closing = False

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        self._child = await self._started()
        self._keeping = asyncio.create_task(self._keep_running(self._child))

    def submit(self, batch: Sequence[Change]) -> None:
        if self._child is None:
            raise StoreError("the writer process is not running")
        payload, self._in_flight = encode_batch(batch)
        self._child.send(payload)

    async def close(self, timeout_s: float) -> bool:
        self._closing = True
        child = self._child
        if child is None:
            self._keeping.cancel()
            return True
        child.end()
        if await child.has_ended(timeout_s):
            return True
        child.kill()
        await child.has_ended(KILL_TIMEOUT_S)
        return False

    async def _keep_running(self, child: "_Child") -> None:
        while True:
            how = await child.ended
            self._child = None
            if self._in_flight is not None or not self._closing:
                self._hand_back(BatchResult(error=StoreError(f"the writer process {how}")))
            if self._closing:
                return
            child = self._child = await self._restarted()

    async def _restarted(self) -> "_Child":
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            try:
                return await self._started()
            except (OSError, StoreError) as error:
                log.error("the writer process does not start, it is tried again: %s", error)

    async def _started(self) -> "_Child":
        _, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Child(self._result),
            *self._command,
            stderr=None,
            pass_fds=self._inherited,
            start_new_session=True,  # Ctrl+C is for the server
        )
        await asyncio.wait([child.first], timeout=START_TIMEOUT_S)
        if not child.first.done():
            child.kill()
            raise StoreError(f"the writer process was not ready within {START_TIMEOUT_S:.0f} s")
        if error := child.first.result().error:
            await child.has_ended(KILL_TIMEOUT_S)
            raise error
        return child

    def _result(self, result: BatchResult) -> None:
        self._pause_s = FIRST_PAUSE_S
        self._hand_back(with_unsaid(result, self._in_flight or frozenset()))

    def _hand_back(self, result: BatchResult) -> None:
        self._in_flight = None
        self._committed(result)


class _Child(asyncio.SubprocessProtocol):
    """`first` becomes its word that it is ready, or why not; `ended` how it ended."""

    def __init__(self, on_result: Committed) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[BatchResult] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._on_result = on_result
        self._frames = Frames()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._stdin = transport.get_pipe_transport(0)
        self.pid: int = transport.get_pid()

    async def has_ended(self, timeout_s: float) -> bool:
        await asyncio.wait([self.ended], timeout=timeout_s)
        return self.ended.done()

    def send(self, payload: bytes) -> None:
        self._stdin.write(framed(payload))

    def end(self) -> None:
        self._stdin.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    def pipe_data_received(self, _: int, data: bytes) -> None:
        try:
            results = [decode_result(payload) for payload in self._frames.feed(data)]
        except StoreError as error:
            log.error("the writer process is ended: %s", error)
            self.kill()
            return
        for result in results:
            if self.first.done():
                self._on_result(result)
            else:
                self.first.set_result(result)

    def connection_lost(self, _: Exception | None) -> None:
        """After its end, and after its last word."""
        how = _how_it_ended(self._transport.get_returncode())
        if not self.first.done():
            self.first.set_result(BatchResult(error=StoreError(f"the writer process {how} before it was ready")))
        self.ended.set_result(how)
        self._transport.close()


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
