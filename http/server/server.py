"""uvicorn, as trackd runs it: signals that end in exit code 0, and a stop that resets nobody's connection."""

import asyncio
import contextlib
import functools
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from trackd.config.settings import Limits
from trackd.config.settings import Server as ServerSettings
from trackd.http.app import Application
from trackd.http.server.connection import InboundBudget
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.header_cache import HeaderCache

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
POLL_S = 0.01
SWEEP_TICKS = 10  # of uvicorn's ticks, ten a second


class Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT: `on_stop`, then the listening, the connections, and the application's lifespan.

    SIGHUP calls `on_reload`.
    """

    def __init__(
        self,
        app: Application,
        settings: ServerSettings,
        on_stop: Callable[[], None],
        on_reload: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        arrivals = InboundBudget(limits.max_arriving_bytes, limits.request_timeout_s)
        make_connection = functools.partial(TrackConnection, app.track, HeaderCache(), arrivals, app.errors)
        config = uvicorn.Config(
            app.asgi,
            loop="uvloop",
            http=cast(type[asyncio.Protocol], make_connection),
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

    async def on_tick(self, counter: int) -> bool:
        if counter % SWEEP_TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in self._connections():
                connection.look(now)
        return await super().on_tick(counter)

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
        for connection in self._connections():
            connection.take_long_way()

    def _connections(self) -> Iterator[TrackConnection]:
        for connection in list(self.server_state.connections):
            assert isinstance(connection, TrackConnection)
            yield connection

    def _cycles(self) -> Iterator[RequestResponseCycle]:
        """The requests that are not answered yet."""
        for connection in self._connections():
            if connection.cycle is not None and not connection.cycle.response_complete:
                yield connection.cycle


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError when the address is not ours or in use."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)
