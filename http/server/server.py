"""uvicorn's server with another stop: it ends with exit code 0 and resets no connection of a client."""

import asyncio
import contextlib
import functools
import itertools
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import cast

import uvicorn

from trackd.config.settings import Limits
from trackd.config.settings import Server as ServerSettings
from trackd.http.app import Application
from trackd.http.errors import stopping
from trackd.http.server.acceptor import Acceptor
from trackd.http.server.connection_limit import RESERVED_FILES, ConnectionLimit, allowed_connections
from trackd.http.server.fair_connection import FairConnection
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.inbound_budget import InboundBudget
from trackd.http.server.listening import BACKLOG
from trackd.http.server.open_files import OpenFiles
from trackd.http.server.orphans import Orphans
from trackd.http.server.proxy_headers import ForwardedClients, ProxyHeaders, TrustedProxies
from trackd.http.server.read_turns import ReadTurns
from trackd.http.server.usual_request import UsualRequests

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
POLL_S = 0.01
LAST_READS = 10  # a client that sends without end must not delay the stop
MAX_PIPELINED = 8  # requests that begin in a round of the event loop: few clients have any
TICK_S = 0.1  # as uvicorn's
SWEEP_TICKS = 10
MIN_ROOM = RESERVED_FILES // 2  # also when no more may be open: each of these is refused or replaces another


class Server(uvicorn.Server):
    """Runs an application until SIGTERM, SIGINT or SIGQUIT.

    To stop, it calls `on_stop`, closes the listening sockets, drains and closes the connections, and ends the
    application's lifespan. SIGHUP calls `on_reload`; `on_started` is called once it listens.

    With `keeps_queue` the connections that are not accepted at the stop are left to the next server, because another
    process keeps the listening sockets open.
    """

    _is_reload_due = False
    _starting: asyncio.Future[None] | None = None

    def __init__(
        self,
        app: Application,
        settings: ServerSettings,
        on_stop: Callable[[], None],
        on_reload: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        keeps_queue: bool = False,
    ) -> None:
        limits = limits or Limits()
        self._tally, self._budget = app.track.tally, InboundBudget(limits.max_arriving_bytes)
        self._limit = ConnectionLimit(settings.max_connections or allowed_connections())
        self._open_files = OpenFiles(self._limit)
        self._acceptor = Acceptor(self._room, self._note_dropped)
        self._orphans, self._read_turns = Orphans(), ReadTurns()
        make_connection = functools.partial(
            FairConnection,
            read_turns=self._read_turns,
            track=app.track,
            usual_requests=UsualRequests(app.track.paths),
            forwarded_clients=ForwardedClients(TrustedProxies(settings.trusted_proxies), app.track.clients),
            pipeline_turns=ReadTurns(MAX_PIPELINED),
            budget=self._budget,
            limit=self._limit,
            request_timeout_s=limits.request_timeout_s,
            errors=app.errors,
            refusal_headers=app.refusal_headers,
            tally=self._tally,
        )
        self._exit = asyncio.Event()
        super().__init__(_config(app, settings, functools.partial(self._acceptor.make, make_connection)))
        self._enter_lifespan = app.lifespan
        self._running = contextlib.AsyncExitStack()
        self._drain_s = settings.drain_ms / 1000
        self._keeps_queue = keeps_queue
        self.on_stop, self.on_reload = on_stop, on_reload
        self.on_started: Callable[[], None] = lambda: None
        self.servers = []
        # uvicorn logs a warning for each request that is not HTTP: any client could fill the log with them.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)

    @property
    def should_exit(self) -> bool:
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._exit.set()
        else:
            self._exit.clear()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's method, which raises the signal again after the stop (exit code -15)."""
        loop = asyncio.get_running_loop()
        # Not handlers of the loop: between their removal and SIG_IGN below, a signal would end the process.
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._stop))
        signal.signal(signal.SIGHUP, lambda *_: self._reload_soon(loop))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # `trackd` blocks it during the start
        try:
            yield
        finally:
            for number in (*STOP_SIGNALS, signal.SIGHUP):  # the rest of the stop must not be cut short
                signal.signal(number, signal.SIG_IGN)

    def _reload_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Signals that arrive before the reload begins count as one."""
        if not self._is_reload_due and not self.should_exit:
            self._is_reload_due = True
            loop.call_soon_threadsafe(self._reload)

    def _reload(self) -> None:
        self._is_reload_due = False
        self.on_reload()

    def _stop(self) -> None:
        self.should_exit = True
        self.on_stop()
        if self._keeps_queue:
            self._stop_listening()
        if self._starting is not None:
            self._starting.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """A stop cancels the start of the application, which may wait for a disk; then nothing runs."""
        async with contextlib.AsyncExitStack() as running:
            self._starting = asyncio.ensure_future(running.enter_async_context(self._enter_lifespan()))
            try:
                await self._starting
            except asyncio.CancelledError:
                if not self.should_exit:
                    raise
                return
            finally:
                self._starting = None
            await super().startup(sockets)
            self._acceptor.listen(sockets or [], self._make_connection)
            self.on_started()
            self._running = running.pop_all()

    async def main_loop(self) -> None:
        """As uvicorn's, but a stop does not wait for the next tick."""
        for counter in itertools.count():
            if await self.on_tick(counter):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._exit.wait()

    async def on_tick(self, counter: int) -> bool:
        self._orphans.reap()
        if counter % SWEEP_TICKS == 0:
            self._sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _sweep(self, now: float) -> None:
        """Once a second."""
        for connection in self._connections():
            connection.check_timeouts(now)
        connections = cast(set[TrackConnection], self.server_state.connections)
        if not self._open_files.check(len(connections)):
            self._limit.make_room(connections)
        tally = self._tally
        tally.connections, tally.max_connections = len(connections), self._limit.max_connections
        tally.arriving_bytes, tally.max_arriving_bytes = self._budget.size, self._budget.max_size

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop_listening()
        for listening in sockets or ():
            listening.close()
        await self._acceptor.close()
        await self._drain()
        await self._end_connections()
        for connection in self._connections():
            connection.refuse_running(stopping())
        await self._running.aclose()

    async def _end_connections(self) -> None:
        """As uvicorn's `shutdown`, without its pause of a tenth of a second."""
        state = self.server_state
        for connection in self._connections():
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            log.error("the stop ends requests that take longer than server.stop_timeout_s")
            for task in state.tasks:
                task.cancel()

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()
        if self._keeps_queue:
            self._acceptor.leave_queue()

    def _room(self) -> int:
        """How many connections may wait to be served."""
        return max(MIN_ROOM, self._limit.max_connections - len(self.server_state.connections))

    def _note_dropped(self) -> None:
        self._tally.dropped_connections += 1

    def _make_connection(self) -> asyncio.Protocol:
        make = cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state={})

    async def _drain(self) -> None:
        """Answer requests for `drain_ms` with `connection: close`; idle connections are closed only after that.

        A connection that is closed while its next request is on the way is reset, and its client cannot find out
        whether the call was taken. Requests that are still incomplete at the end are not taken.
        """
        loop, state = asyncio.get_running_loop(), self.server_state
        self._read_turns.end()
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        for connection in self._unanswered():
            connection.cycle.keep_alive = False
        end = loop.time() + self._drain_s
        await asyncio.sleep(0)  # connections that were accepted last are made now
        while state.connections and loop.time() < end:
            await asyncio.sleep(POLL_S)
        await self._close_idle()
        for connection in self._unanswered():
            if connection.cycle.more_body:
                connection.transport.close()
            elif connection.is_endless:  # its client does not read: it does not have the end of its answer
                connection.transport.abort()

    async def _close_idle(self) -> None:
        """Close the idle connections, after reading the bytes that the kernel has received for them.

        On a busy machine they may have waited there longer than `drain_ms`.
        """
        for _ in range(LAST_READS):
            has_unread = False
            for connection in self._connections():
                has_unread |= connection.close_or_read_on()
            if not has_unread:
                return
            await asyncio.sleep(0)

    def _connections(self) -> Iterator[TrackConnection]:
        for connection in list(self.server_state.connections):
            assert isinstance(connection, TrackConnection)
            yield connection

    def _unanswered(self) -> Iterator[TrackConnection]:
        """The connections whose last request is unanswered."""
        for connection in self._connections():
            if connection.cycle is not None and not connection.cycle.response_complete:
                yield connection


def _config(app: Application, settings: ServerSettings, make_protocol: Callable[..., object]) -> uvicorn.Config:
    return uvicorn.Config(
        ProxyHeaders(app.asgi, settings.trusted_proxies),
        loop="uvloop",
        http=cast(type[asyncio.Protocol], make_protocol),
        ws="none",
        lifespan="off",  # `startup` and `shutdown` enter and leave it: an error at the start ends `run`
        log_config=None,
        access_log=False,
        server_header=False,
        workers=1,  # or else uvicorn reads WEB_CONCURRENCY
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.stop_timeout_s,
    )
