"""One connection: limits on memory and time, and refusals in the format of all other error answers.

uvicorn limits neither the time in which a request has to arrive, nor the memory of incomplete requests, nor the time
in which an answer has to be read. Connections have no timers: the server calls `check_timeouts` once a second.
"""

import contextlib
from typing import Any, cast

import httptools
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from trackd.http.clients import Client
from trackd.http.errors import ErrorAnswers
from trackd.http.middleware import RawHeaders, RefusalHeaders
from trackd.http.server.answer_writer import AnswerWriter
from trackd.http.server.body_progress import MIN_BYTES_PER_S, WINDOW_S
from trackd.http.server.connection_limit import ConnectionLimit
from trackd.http.server.flow_control import MAX_UNREAD_BYTES
from trackd.http.server.lingering import LingeringConnection
from trackd.http.server.measured_connection import MeasuredConnection
from trackd.http.server.refusal import encode_refusal
from trackd.http.server.refused_requests import (
    inbound_budget_exceeded,
    stalled_body,
    too_many_connections,
    too_many_headers,
    too_slow,
)
from trackd.http.server.request_head import MAX_HEADERS
from trackd.http.server.request_parsing import MAX_HEAD_BYTES
from trackd.http.server.uvicorn_hooks import check_uvicorn_hooks
from trackd.telemetry.tally import Tally

check_uvicorn_hooks()


class ParsingEndedError(Exception):
    """Ends the parsing of the bytes that arrived together, after a refusal."""


class Connection(LingeringConnection):
    """An HTTP/1.1 connection, with limits."""

    _head_bytes = 0  # of an incomplete head
    _chunk_bytes = 0  # of the chunk that is being parsed
    _awaits_reader = False  # the next request waits until the client has read the answer before it
    _answer_writer: AnswerWriter | None = None  # of the running request
    _queued_refusal: bytes | None = None  # sent after the answers to earlier requests

    def __init__(
        self,
        limit: ConnectionLimit,
        request_timeout_s: int,
        errors: ErrorAnswers,
        refusal_headers: RefusalHeaders,
        tally: Tally,
        **inherited: Any,
    ) -> None:
        super().__init__(**inherited)
        self._limit = limit
        self._request_timeout_s = request_timeout_s
        self._errors = errors
        self._refusal_headers = refusal_headers
        self._tally = tally

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        others = cast(set[MeasuredConnection], self.connections)
        if len(others) > self._limit.max_connections and not self._limit.make_room(others, self):
            self._refuse(too_many_connections())

    def connection_lost(self, exc: Exception | None) -> None:
        self.pipeline.clear()
        if self._running is not None:  # uvicorn marks only the last request as disconnected
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)
        self._answer_writer = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._answer_writer = AnswerWriter(self.transport, self._close, version=cycle.scope["http_version"])
        cycle.transport = self._answer_writer  # type: ignore[assignment]  # it has the methods that uvicorn calls
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._discard(len(data))
        else:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes the result
        """Drop an incomplete request, and keep the connection open for the answers to those that are complete."""
        self._has_eof = True
        if self._is_receiving:
            self._is_receiving = False
            if not self._in_head:
                self._abandon(self.cycle)
            self._update_budget()
        is_answering = self._running is not None and not self._running.response_complete and not self.is_endless
        return is_answering or self._is_bypassing or self._has_waiting()

    def _parse_piece(self, piece: bytes) -> None:
        if self._in_head or not self._is_receiving:
            self._head_bytes += len(piece)
        self._chunk_bytes = len(piece)
        super()._parse_piece(piece)
        if not self._is_receiving or self._is_refused:
            return
        if self._in_head:
            self._head_bytes = self._head_bytes or self._bytes_of_head(piece)  # behind another request
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_incomplete(self._too_large_head())
            elif len(self.headers) > MAX_HEADERS:
                self._refuse_incomplete(too_many_headers(MAX_HEADERS))
        elif self.cycle.response_complete:
            self._discard(len(piece))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        is_long = self._request_bytes + self._chunk_bytes > MAX_HEAD_BYTES  # a usual head is not measured
        if is_long and self._measure_head() > MAX_HEAD_BYTES:
            self._refuse(self._too_large_head())
            raise ParsingEndedError
        if len(self.headers) > MAX_HEADERS:
            self._refuse(too_many_headers(MAX_HEADERS))
            raise ParsingEndedError
        super().on_headers_complete()

    def _measure_head(self) -> int:
        """The bytes of the complete head, with one space after each colon. Its place in the chunks is unknown."""
        request_line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n")
        headers = sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        return request_line + headers + len("\r\n")

    def on_response_complete(self) -> None:
        """Replaces uvicorn's method, which makes and cancels a timer for each request."""
        self.server_state.total_requests += 1
        if self._answer_writer is not None:
            self._answer_writer.end()
            self._answer_writer = None
        if self._lingering is not None or self.transport.is_closing():
            self._running = None
            return
        if not self._has_waiting():
            self._next_request()
        elif self.flow.write_paused:
            self._awaits_reader = True
        else:
            self._await_turn()

    def begin_next(self) -> None:
        self._awaits_turn = False
        if self._lingering is not None or self.transport.is_closing() or self._awaits_reader or self._is_bypassing:
            return
        if self.pipeline if self._running is None else self._running.response_complete:
            self._next_request()
        else:
            self._read_on()

    def _next_request(self) -> None:
        """Start the request whose turn it is, and read on."""
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._is_receiving:
            self._become_idle()
        elif not self._in_head:
            self._drop_body()
            self._running = None  # the rest of its body may take many turns
        self._read_on()

    def _read_on(self) -> None:
        """Parse bytes that wait for it, read more when none is left, and close after the last answer."""
        if self._rest:
            self._parse_rest()
        if self.cycle is None or len(self.cycle.body) <= HIGH_WATER_LIMIT:  # else when the application has taken it
            self.flow.resume_reading()
        self._update_budget()
        is_running = self.pipeline or not (self.cycle is None or self.cycle.response_complete)
        if is_running or self._rest:
            return
        if self._queued_refusal is not None:
            self._send_refusal(self._queued_refusal)
        elif self._has_eof:
            self.transport.close()

    def _wait_for_reader(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start the request when the client has read the answers before it."""
        self.pipeline.append((cycle, app))
        self.flow.pause_reading()
        self._awaits_reader = True

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._awaits_reader:
            self._awaits_reader = False
            self._await_turn()

    def check_timeouts(self, now: float) -> None:
        """Close or refuse when a limit of time is exceeded. `now` is a time of the event loop."""
        if self._is_unread(now) or self._has_lingered(now):
            self.transport.abort()
        elif self.flow.read_paused:
            self._began, self._progress = now, None  # the client cannot send while the server does not read
        elif self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            self.transport.close()
        elif not self._is_refused and now - self._began > self._request_timeout_s:
            if self._is_receiving:
                self._refuse_incomplete(too_slow(self._request_timeout_s))
            elif self._awaits_first_request:
                self.transport.close()
        elif self._is_stalled(now):
            self._refuse(stalled_body(MIN_BYTES_PER_S, WINDOW_S))

    def _is_unread(self, now: float) -> bool:
        """Whether the client has not read its answers for too long; the time restarts when it has read most of them."""
        self._update_budget()  # the client may have read some of them
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        return self._unread_since is not None and now - self._unread_since > self._request_timeout_s

    def drop(self) -> None:
        self._tally.dropped_connections += 1
        super().drop()

    def give_up(self) -> None:
        self._held_bytes = 0
        if self._is_refused or self.flow.write_paused or self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.drop()
        else:
            self._refuse_incomplete(inbound_budget_exceeded())

    def _refuse_incomplete(self, error: HTTPException) -> None:
        """Refuse the request that is arriving, between the chunks that the parser gets."""
        if self._in_head:  # the parser holds back the last header, which may be `Origin`, until another one begins
            with contextlib.suppress(httptools.HttpParserError):
                self.parser.feed_data(b"x:")
        self._refuse(error)

    def _refuse(self, error: HTTPException, faulty: RequestResponseCycle | None = None) -> None:
        """Answer with the error, after the answers to earlier requests, and ignore all that the client sends from now.

        `faulty` is the request that is refused; by default the one whose body is arriving, if any.
        """
        if self._is_refused:
            return
        self._is_refused = True
        self._drop_rest()
        self._update_budget()
        if faulty is None and self._is_receiving and not self._in_head:
            faulty = self.cycle
        is_last_open = not (self.cycle is None or self.cycle is faulty or self.cycle.response_complete)
        has_earlier = bool(self.pipeline) or is_last_open or self._is_bypassing
        if faulty is not None and faulty.response_started:
            if faulty.response_complete:
                self._linger()
            else:
                self.transport.close()
            return
        if faulty is not None:
            self._abandon(faulty)
        self._tally.request_refused(error.status_code)
        client = self._note_refusal(error, *(head := self._head_of(faulty)))
        headers = [*self._refusal_headers.of(*head), *self.server_state.default_headers]
        refusal = encode_refusal(self._errors.answer(error, client), headers, self.loop.time() - self._began)
        if has_earlier:
            self._queued_refusal = refusal
        else:
            self._send_refusal(refusal)

    def _note_refusal(self, error: HTTPException, target: bytes, headers: RawHeaders) -> Client:
        """Called with each refusal, and target and headers as far as they have arrived. Returns the client."""
        raise NotImplementedError

    def _abandon(self, cycle: RequestResponseCycle) -> None:
        """End a request as if its client had disconnected."""
        cycle.disconnected = cycle.response_complete = True
        cycle.body = bytearray()  # the client may linger
        cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()

    def _head_of(self, faulty: RequestResponseCycle | None) -> tuple[bytes, RawHeaders]:
        """The target and the headers of the refused request, as far as they have arrived."""
        if faulty is not None:
            return faulty.scope["raw_path"], faulty.scope["headers"]
        return (self.url, self.headers) if self._is_receiving else (b"", ())

    def _send_refusal(self, refusal: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal)
            self._linger()
