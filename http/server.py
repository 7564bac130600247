"""uvicorn, as trackd runs it: signals that end in exit code 0, and a stop that resets nobody's connection."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from trackd.config.settings import Server as ServerSettings

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
POLL_S = 0.01
MAX_HEAD_BYTES = 65_536
MAX_PIPELINED = 1_000  # requests of one connection that wait for the answers before theirs
REFUSAL_HEAD = (
    b"content-type: application/json\r\nvary: Origin\r\nx-process-time: 0.000000\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n"
)


class JsonProtocol(HttpToolsProtocol):
    """Bounds what one connection may heap up, and answers what is not HTTP in the shape of all other answers."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"The head of the request is over the limit of {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """The parser stops after the head of a request that offers an upgrade: what comes after it would be lost."""
        self.cycle.keep_alive = False
        if any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers):
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._refuse(400, "An upgrade of a request with a body is not supported: send it without Upgrade.")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, status: int, detail: str) -> None:
        body = b'{"detail":"%s"}' % detail.encode()
        head = REFUSAL_HEAD % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT: `on_stop`, then the listening, the connections, and the application's lifespan.

    SIGHUP calls `on_reload`.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        on_stop: Callable[[], None],
        on_reload: Callable[[], None] = lambda: None,
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=JsonProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=settings.stop_timeout_s,
        )
        super().__init__(config)
        self._drain_s = settings.drain_ms / 1000
        self._on_stop = on_stop
        self._on_reload = on_reload
        self._reloads = False
        self.on_started: Callable[[], None] = lambda: None
        # uvicorn's own lines: a warning for each request that is not HTTP would let anybody fill the log.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """In place of uvicorn's, which raises the signal again after the stop (exit code -15)."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop)
        # Not the loop's: to remove its handler is to let the signal end the process, if only for a moment.
        signal.signal(signal.SIGHUP, lambda *_: self._reload_soon(loop))
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is left to do must not end by it

    def _reload_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """However many signals came meanwhile, once."""
        if not self._reloads and not self.should_exit:
            self._reloads = True
            loop.call_soon_threadsafe(self._reload)

    def _reload(self) -> None:
        self._reloads = False
        self._on_reload()

    def _stop(self) -> None:
        self.should_exit = True
        self._on_stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Answer who is still there, and tell them to close; who is idle is closed only after this.

        A connection that is closed while its next request is on the way is reset, and its client cannot know
        whether the call was taken. A request that is not here in whole by then was not taken.
        """
        loop, state = asyncio.get_running_loop(), self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        for cycle in self._cycles():
            cycle.keep_alive = False
        end = loop.time() + self._drain_s
        while state.connections and loop.time() < end:
            await asyncio.sleep(POLL_S)
        for cycle in self._cycles():
            if cycle.more_body:
                cycle.transport.close()

    def _cycles(self) -> Iterator[RequestResponseCycle]:
        """The requests that are not answered yet."""
        for connection in list(self.server_state.connections):
            assert isinstance(connection, JsonProtocol)
            if connection.cycle is not None and not connection.cycle.response_complete:
                yield connection.cycle


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError when the address is not ours or in use."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)
