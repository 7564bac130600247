"""A process of the server: started and ended with it, started again when it ends by itself.

They talk in frames over its stdin and stdout. Its first frame says that it is ready (nothing in it), or why not. It
ends when its stdin does, so also when the server is killed.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any

from trackd.storage.errors import StoreError
from trackd.storage.workers.framing import Frames, framed

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
KILL_TIMEOUT_S = 1.0  # a disk that hangs holds a killed process too
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0  # before it is started again, doubled each time that it says nothing


class ChildProcess:
    """`name` is what it is called in errors, `command` starts it, `inherited` are file descriptors that it keeps open.

    `on_payload` is called with each frame after the first, and ends the process when it raises StoreError. `on_end` is
    called with a sentence when it has ended, by itself or not.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        on_payload: Callable[[bytes], None],
        on_end: Callable[[str], None],
        inherited: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._command = command
        self._on_payload = on_payload
        self._on_end = on_end
        self._inherited = tuple(inherited)
        self._running: _Running | None = None
        self._pause_s = FIRST_PAUSE_S
        self.closing = False

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    async def start(self) -> None:
        """Raises StoreError, and OSError when there is no such command."""
        self._running = await self._started()
        self._keeping = asyncio.create_task(self._keep_running(self._running))

    def send(self, payload: bytes) -> None:
        """Raises StoreError when it is not running now."""
        if self._running is None:
            raise StoreError(f"the {self._name} is not running")
        self._running.send(payload)

    async def close(self, timeout_s: float) -> bool:
        """Let it end; returns whether it did in time. Else it is killed."""
        self.closing = True
        running = self._running
        if running is None:
            self._keeping.cancel()
            return True
        running.end()
        if await running.has_ended(timeout_s):
            return True
        running.kill()
        await running.has_ended(KILL_TIMEOUT_S)
        return False

    async def _keep_running(self, running: "_Running") -> None:
        while True:
            how = await running.ended
            self._running = None
            self._on_end(f"the {self._name} {how}")
            if self.closing:
                return
            running = self._running = await self._restarted()

    async def _restarted(self) -> "_Running":
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            try:
                return await self._started()
            except (OSError, StoreError) as error:
                log.error("the %s does not start, it is tried again: %s", self._name, error)

    async def _started(self) -> "_Running":
        _, running = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Running(self._payload),
            *self._command,
            stderr=None,
            pass_fds=self._inherited,
            start_new_session=True,  # Ctrl+C is for the server
        )
        signs: list[asyncio.Future[Any]] = [running.first, running.ended]
        await asyncio.wait(signs, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if running.first.done() and not running.first.result():
            return running
        running.kill()
        if await running.has_ended(KILL_TIMEOUT_S) and not running.first.done():
            raise StoreError(f"the {self._name} {running.ended.result()} before it was ready")
        if running.first.done():
            raise StoreError(running.first.result().decode())
        raise StoreError(f"the {self._name} was not ready within {START_TIMEOUT_S:.0f} s")

    def _payload(self, payload: bytes) -> None:
        self._pause_s = FIRST_PAUSE_S
        try:
            self._on_payload(payload)
        except StoreError as error:
            log.error("the %s is ended: %s", self._name, error)
            if self._running is not None:
                self._running.kill()


class _Running(asyncio.SubprocessProtocol):
    """`first` becomes its first frame, `ended` how it ended."""

    def __init__(self, on_payload: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[bytes] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._on_payload = on_payload
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
        for payload in self._frames.feed(data):
            if self.first.done():
                self._on_payload(payload)
            else:
                self.first.set_result(payload)

    def connection_lost(self, _: Exception | None) -> None:
        """After its end, and after its last word."""
        self.ended.set_result(_how_it_ended(self._transport.get_returncode()))
        self._transport.close()


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
