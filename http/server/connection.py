"""One connection: what it may heap up, how long it may take, and refusals in the shape of all other answers.

uvicorn bounds neither the time that a request takes to arrive, nor what the requests that arrive hold together, nor the
time that an answer waits to be read. Nothing here has a timer: the server looks at each connection once a second.
"""

from collections.abc import Sized
from typing import Any

from msgspec import Struct
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from trackd.http.errors import (
    ErrorAnswers,
    head_too_large,
    not_http,
    too_many_pipelined,
    too_much_arrives,
    too_slow,
    upgrade_with_body,
)

MAX_HEAD_BYTES = 65_536
MAX_PIPELINED = 1_000  # requests of one connection that wait for the answers before theirs
CONTINUE = b"HTTP/1.1 100 "  # the client waits for it before it sends the body
LINGER_S = 2  # a connection that is closed with bytes of its client unread is reset, and the answer may be lost


class InboundBudget(Struct):
    """What all connections hold of requests that are not here in whole."""

    max_size: int
    timeout_s: int
    size: int = 0


class PipelinedError(Exception):
    """Ends the parsing of what came with them."""


class Connection(HttpToolsProtocol):
    """uvicorn's, with bounds. A request is arriving from its first byte to its last."""

    _arriving = False
    _in_head = False
    _head_bytes = 0
    _held = 0  # of `InboundBudget.size`
    _since = 0.0  # the last request began, or the connection
    _is_silent = True  # it never said a word
    _idle_since: float | None = None  # the last answer, when nothing came after it
    _unread_since: float | None = None
    _running: RequestResponseCycle | None = None
    _head: "HeadWithBody | None" = None  # of the running request's answer
    _refused = False
    _refusal: bytes | None = None  # waits for the answers before it
    _lingers_since: float | None = None

    def __init__(self, arrivals: InboundBudget, errors: ErrorAnswers, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._arrivals = arrivals
        self._errors = errors

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = OneChunkAhead(transport, self.pipeline)
        self._since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        self.pipeline.clear()
        if self._running is not None:  # uvicorn tells the last request only, and this one would write to nobody
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._head = HeadWithBody(self.transport)
        cycle.transport = self._head  # type: ignore[assignment]  # all of it that uvicorn uses there
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head = self._in_head
        super().data_received(data)
        if not self._arriving:
            if self._held:
                self._let_go()
        elif self._in_head or not self.cycle.response_complete:
            self._hold(len(data))
            if was_in_head and self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse(head_too_large(MAX_HEAD_BYTES))

    def on_message_begin(self) -> None:
        self._arriving = self._in_head = True
        self._head_bytes = 0
        self._since = self.loop.time()
        self._speaks()
        super().on_message_begin()

    def _speaks(self) -> None:
        self._is_silent = False
        self._idle_since = None

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self._refuse(too_many_pipelined(MAX_PIPELINED))
            raise PipelinedError

    def on_message_complete(self) -> None:
        self._arriving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but for its timer: made and cancelled with each request it costs 2 µs, see `look`."""
        self.server_state.total_requests += 1
        if self._head is not None:
            self._head.flush()
            self._head = None
        if self.transport.is_closing():
            return
        waiting = self.pipeline.pop() if self.pipeline else None
        self.flow.resume_reading()  # also for the rest of the one that waited
        if waiting is not None:
            self._start_asgi_task(*waiting)
            return
        if not self._arriving:
            self._idle_since = self.loop.time()
        if self._refusal is not None:
            self._say_refusal(self._refusal)

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()

    def shutdown(self) -> None:
        if self._lingers_since is not None:
            self.transport.close()
        super().shutdown()

    def look(self, now: float) -> None:
        """Once a second: end what takes too long."""
        timeout_s = self._arrivals.timeout_s
        if self._is_unread(now, timeout_s) or (self._lingers_since or now) + LINGER_S < now:
            self.transport.abort()
        elif self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            self.transport.close()
        elif self.flow.read_paused:
            self._since = now  # that it does not arrive is not its client's doing
        elif now - self._since > timeout_s and not self._refused:
            if self._arriving:
                self._refuse(too_slow(timeout_s))
            elif self._is_silent:
                self.transport.close()

    def _is_unread(self, now: float, timeout_s: int) -> bool:
        """Whether what was sent waits for its reader for too long; each time that most of it is gone begins anew."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        return self._unread_since is not None and now - self._unread_since > timeout_s

    def _hold(self, size: int) -> None:
        self._held += size
        self._arrivals.size += size
        if self._arrivals.size > self._arrivals.max_size:
            self._refuse(too_much_arrives())

    def _let_go(self) -> None:
        self._arrivals.size -= self._held
        self._held = 0

    def _unsupported_upgrade_warning(self) -> None:
        """The parser stops after the head of a request that offers an upgrade: what comes after it would be lost."""
        self.cycle.keep_alive = False
        if any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers):
            self._refuse(upgrade_with_body(), self.cycle)

    def send_400_response(self, msg: str) -> None:
        self._refuse(not_http(msg))

    def _refuse(self, error: HTTPException, faulty: RequestResponseCycle | None = None) -> None:
        """Answer once the requests before it are answered, and take nothing more of this connection.

        `faulty` is the request whose head was taken; when not given, the one whose body is arriving, if there is one.
        """
        if self._refused:
            return
        self._refused = True
        self._let_go()
        if faulty is None and self._arriving and not self._in_head:
            faulty = self.cycle
        others = bool(self.pipeline) or not (self.cycle is None or self.cycle is faulty or self.cycle.response_complete)
        if faulty is not None and faulty.response_started:
            self.transport.close()
            return
        if faulty is not None:
            self._give_up(faulty)
        refusal = self._as_bytes(error)
        if others:
            self._refusal = refusal
        else:
            self._say_refusal(refusal)

    def _give_up(self, cycle: RequestResponseCycle) -> None:
        """As if its client were gone."""
        cycle.disconnected = cycle.response_complete = True
        cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()

    def _as_bytes(self, error: HTTPException) -> bytes:
        answer = self._errors.answer(error)
        headers = [
            *answer.raw_headers,
            (b"vary", b"Origin"),
            (b"x-process-time", b"%.6f" % (self.loop.time() - self._since)),
            (b"connection", b"close"),
        ]
        lines = [b"%s: %s\r\n" % header for header in headers]
        return b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body])

    def _say_refusal(self, refusal: bytes) -> None:
        """And read on, into nothing, until the client closes too or `LINGER_S` have passed."""
        if self.transport.is_closing():
            return
        self._idle_since = None
        self.transport.write(refusal)
        self.transport.write_eof()
        self.flow.resume_reading()
        self._lingers_since = self.loop.time()


class OneChunkAhead(FlowControl):
    """Does not read on while whole requests wait for their turn: each answer would let in more than it takes out."""

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class HeadWithBody:
    """What uvicorn writes an answer to: its head leaves with the beginning of its body.

    Each write is a packet that the client wakes up for, a fifth of the time that a small answer takes.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self._begun = False

    def write(self, data: bytes) -> None:
        if not self._begun and not data.startswith(CONTINUE):
            self._begun = True
            self._head = data
            return
        if self._head is not None:
            data, self._head = self._head + data, None
        self._transport.write(data)

    def flush(self) -> None:
        """For an answer without a body."""
        if self._head is not None:
            self._transport.write(self._head)
            self._head = None

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())
