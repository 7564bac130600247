"""A child process of the server, which is started again when it ends by itself.

Server and child exchange frames (framing.py) over the child's stdin and stdout, which must carry nothing else. The
child's first frame is empty when it is ready, or contains the reason why it is not. Before it a child whose start takes
long sends frames that allow it more time. The child ends when its stdin ends, and so also when the server is killed.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from trackd.storage.errors import StoreError
from trackd.storage.workers.framing import Frames, framed, seconds_of_start

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0  # without a frame of the process
KILL_TIMEOUT_S = 1.0  # a disk that hangs keeps even a killed process
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0  # between starts; doubled until a frame arrives


class ChildProcess:
    """A process that is kept running. Used on the event loop's thread only.

    `name` is its name in errors and log lines, `command` its command line. `on_payload` is called with the payload of
    each frame after the first; when it raises StoreError the process is killed. `on_end` is called with a sentence each
    time that the process has ended; `exit_code` is its exit code then, and after a start that failed. `starting_again`
    surrounds each attempt to start it again. `inherited` are file descriptors that it keeps open.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        on_payload: Callable[[bytes], None],
        on_end: Callable[[str], None],
        inherited: Sequence[int] = (),
        starting_again: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._name = name
        self._command = command
        self._on_payload = on_payload
        self._on_end = on_end
        self._inherited = tuple(inherited)
        self._starting_again = starting_again
        self.exit_code: int | None = None
        self._running: _Running | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._pause_s = FIRST_PAUSE_S
        self.closing = False

    @property
    def pid(self) -> int | None:
        """The id of the process, None while it is not running."""
        return self._running.pid if self._running else None

    async def start(self) -> None:
        """Start the process, and return when it is ready. Raises StoreError, or OSError for a missing command.

        A process that does not become ready is killed, also when the start is cancelled.
        """
        self._running = await self._launch()
        self._keeping = asyncio.create_task(self._keep_running(self._running))

    def send(self, payload: bytes) -> None:
        """Send a payload as a frame. Raises StoreError while the process is not running.

        A process that is ending takes nothing any more, which may be noticed before its end: `on_end` follows then.
        """
        if self._running is None:
            raise StoreError(f"the {self._name} is not running")
        self._running.send(payload)

    async def close(self, timeout_s: float) -> bool:
        """End the stdin of the process, and wait for its end; return whether it came in time. If not, kill it."""
        self.closing = True
        running = self._running
        if running is None:
            if self._keeping is not None:
                self._keeping.cancel()
                await asyncio.wait([self._keeping])  # ends the process that is being started, too
            return True
        running.end()
        if await running.has_ended(timeout_s):
            return True
        running.kill()
        await running.has_ended(KILL_TIMEOUT_S)
        return False

    async def _keep_running(self, running: "_Running") -> None:
        while True:
            self.exit_code = await running.ended
            self._running = None
            self._on_end(f"the {self._name} {_how_it_ended(self.exit_code)}")
            if self.closing:
                return
            running = self._running = await self._relaunch()

    async def _relaunch(self) -> "_Running":
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            running = None
            try:
                async with self._starting_again():
                    running = await self._launch()
            except (OSError, StoreError) as error:
                log.error("the %s does not start, trying again: %s", self._name, error)
                if running is not None:
                    running.kill()
                    await running.has_ended(KILL_TIMEOUT_S)
            else:
                return running

    async def _launch(self) -> "_Running":
        _, running = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Running(self._receive),
            *self._command,
            stderr=None,
            pass_fds=self._inherited,
            start_new_session=True,  # Ctrl+C is for the server
        )
        first_end_or_late: list[asyncio.Future[Any]] = [running.first, running.ended, running.late]
        try:
            await asyncio.wait(first_end_or_late, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            running.kill()  # without an owner it would run on, and hold what it inherited
            await running.has_ended(KILL_TIMEOUT_S)
            raise
        finally:
            running.start_timer.cancel()
        if running.first.done() and not running.first.result():
            return running
        is_late = not running.first.done() and not running.ended.done()
        if running.first.done():  # it ends by itself after the reason
            await running.has_ended(KILL_TIMEOUT_S)
        running.kill()
        if await running.has_ended(KILL_TIMEOUT_S):
            self.exit_code = running.ended.result()
        if is_late:
            raise StoreError(f"the {self._name} was not ready within {running.start_timeout_s:.0f} s")
        if running.first.done():
            raise StoreError(running.first.result().decode())
        raise StoreError(f"the {self._name} {_how_it_ended(running.ended.result())} before it was ready")

    def _receive(self, payload: bytes) -> None:
        self._pause_s = FIRST_PAUSE_S
        try:
            self._on_payload(payload)
        except StoreError as error:
            log.error("the %s is ended: %s", self._name, error)
            if self._running is not None:
                self._running.kill()


class _Running(asyncio.SubprocessProtocol):
    """A started process. The result of `first` is the payload of its first frame, that of `ended` its exit code.

    `late` is done when the process is not ready in time.
    """

    def __init__(self, on_payload: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[bytes] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._on_payload = on_payload
        self._frames = Frames()
        self.late: asyncio.Future[None] = loop.create_future()
        self.start_timeout_s = START_TIMEOUT_S
        self.start_timer = loop.call_later(START_TIMEOUT_S, self.late.set_result, None)

    def _allow(self, seconds: int) -> None:
        """Let the next frame of the start come within so many seconds."""
        self.start_timer.cancel()
        if not self.late.done():
            self.start_timeout_s = seconds
            self.start_timer = asyncio.get_running_loop().call_later(seconds, self.late.set_result, None)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._stdin = transport.get_pipe_transport(0)
        self.pid: int = transport.get_pid()

    async def has_ended(self, timeout_s: float) -> bool:
        await asyncio.wait([self.ended], timeout=timeout_s)
        return self.ended.done()

    def send(self, payload: bytes) -> None:
        if not self._stdin.is_closing():  # uvloop would raise RuntimeError
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
            elif (seconds := seconds_of_start(payload)) is not None:
                self._allow(seconds)
            else:
                self.first.set_result(payload)

    def connection_lost(self, _: Exception | None) -> None:
        """Called when the process has ended and its output is read to the end."""
        self.ended.set_result(self._transport.get_returncode())
        self._transport.close()


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
