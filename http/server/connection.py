"""One connection: limits on memory and time, and refusals in the format of all other error answers.

uvicorn limits neither the time in which a request has to arrive, nor the memory of incomplete requests, nor the time
in which an answer has to be read. Connections have no timers: the server calls `check_timeouts` once a second.
"""

import contextlib
import select
from typing import Any

import httptools
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from trackd.http.errors import (
    ErrorAnswers,
    head_too_large,
    inbound_budget_exceeded,
    not_http,
    too_many_pipelined,
    too_slow,
    upgrade_with_body,
)
from trackd.http.server.answer_writer import AnswerWriter
from trackd.http.server.flow_control import PipelineFlowControl
from trackd.http.server.inbound_budget import InboundBudget
from trackd.http.server.lingering import LingeringConnection
from trackd.http.server.refusal import RawHeaders, encode_refusal
from trackd.http.server.uvicorn_hooks import check_uvicorn_hooks
from trackd.telemetry.tally import Tally

MAX_HEAD_BYTES = 65_536
MAX_PIPELINED = 1_000  # requests that wait for the answers to earlier requests of their connection

check_uvicorn_hooks()


class ParsingEndedError(Exception):
    """Ends the parsing of the bytes that arrived together, after a refusal."""


class Connection(LingeringConnection):
    """uvicorn's HTTP/1.1 connection, with limits."""

    _in_head = False
    _head_bytes = 0  # of the chunks that neither begin nor end the head
    _chunk_bytes = 0  # of the chunk that is being parsed
    _budgeted_bytes = 0  # the share of this connection in `InboundBudget.size`
    _began = 0.0  # when the last request began, or the connection
    _awaits_first_request = True
    _unread_since: float | None = None
    _running: RequestResponseCycle | None = None
    _answer_writer: AnswerWriter | None = None  # of the running request
    _queued_refusal: bytes | None = None  # sent after the answers to earlier requests

    def __init__(
        self, budget: InboundBudget, request_timeout_s: int, errors: ErrorAnswers, tally: Tally, **uvicorns: Any
    ) -> None:
        super().__init__(**uvicorns)
        self._budget = budget
        self._request_timeout_s = request_timeout_s
        self._errors = errors
        self._tally = tally

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = PipelineFlowControl(transport, self.pipeline)
        self._began = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._release_budget()
        self.pipeline.clear()
        if self._running is not None:  # uvicorn marks only the last request as disconnected
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._answer_writer = AnswerWriter(self.transport, self._close)
        cycle.transport = self._answer_writer  # type: ignore[assignment]  # it has the methods that uvicorn calls
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._discard(len(data))
            return
        was_in_head = self._in_head
        self._chunk_bytes = len(data)
        super().data_received(data)
        if not self._is_receiving:
            if self._budgeted_bytes:
                self._release_budget()
        elif self._is_refused:
            pass
        elif self._in_head or not self.cycle.response_complete:
            self._take_budget(len(data))
            if was_in_head and self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse_incomplete(head_too_large(MAX_HEAD_BYTES))
        else:
            self._discard(len(data))

    def on_message_begin(self) -> None:
        self._is_receiving = self._in_head = True
        self._head_bytes = 0
        self._began = self.loop.time()
        self._note_request()
        super().on_message_begin()

    def _note_request(self) -> None:
        self._awaits_first_request = False
        self._idle_since = None

    def on_headers_complete(self) -> None:
        # All chunks of an incomplete head are in the budget, so a usual head is not measured.
        if self._budgeted_bytes + self._chunk_bytes > MAX_HEAD_BYTES and self._measure_head() > MAX_HEAD_BYTES:
            self._refuse(head_too_large(MAX_HEAD_BYTES))
            raise ParsingEndedError
        super().on_headers_complete()  # raises for a target without a path: then `cycle` is still the earlier request
        self._in_head = False
        if len(self.pipeline) > MAX_PIPELINED:
            self._refuse(too_many_pipelined(MAX_PIPELINED))
            raise ParsingEndedError

    def _measure_head(self) -> int:
        """The bytes of the complete head, with one space after each colon. Its place in the chunks is unknown."""
        request_line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n")
        headers = sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        return request_line + headers + len("\r\n")

    def on_message_complete(self) -> None:
        self._is_receiving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Replaces uvicorn's method, which makes and cancels a timer for each request."""
        self.server_state.total_requests += 1
        if self._answer_writer is not None:
            self._answer_writer.flush()
            self._answer_writer = None
        if self._lingering is not None or self.transport.is_closing():
            return
        waiting = self.pipeline.pop() if self.pipeline else None
        self.flow.resume_reading()  # the waiting request may be incomplete
        if waiting is not None:
            self._start_asgi_task(*waiting)
            return
        if not self._is_receiving:
            self._idle_since = self.loop.time()
        elif not self._in_head:
            self._drop_body()
        if self._queued_refusal is not None:
            self._send_refusal(self._queued_refusal)

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()

    def close_or_read_on(self) -> bool:
        """Close the connection if it is idle and all its bytes are read.

        Returns whether bytes of a request are unread.
        """
        is_answered = self.cycle is None or self.cycle.response_complete
        if not is_answered and not self._is_receiving:
            return False
        if not self._is_refused and not self.flow.read_paused and _has_unread_bytes(self.transport):
            return True
        if is_answered and not self._is_receiving:
            self.transport.close()
        return False

    def check_timeouts(self, now: float) -> None:
        """Close or refuse when a limit of time is exceeded. `now` is a time of the event loop."""
        if self._is_unread(now) or self._has_lingered(now):
            self.transport.abort()
        elif self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            self.transport.close()
        elif self.flow.read_paused:
            self._began = now  # the client cannot send while the server does not read
        elif now - self._began > self._request_timeout_s and not self._is_refused:
            if self._is_receiving:
                self._refuse_incomplete(too_slow(self._request_timeout_s))
            elif self._awaits_first_request:
                self.transport.close()

    def _is_unread(self, now: float) -> bool:
        """Whether the client has not read its answers for too long; the time restarts when it has read most of them."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        return self._unread_since is not None and now - self._unread_since > self._request_timeout_s

    def _take_budget(self, size: int) -> None:
        self._budgeted_bytes += size
        if not self._budget.take(size):
            self._refuse_incomplete(inbound_budget_exceeded())

    def _release_budget(self) -> None:
        self._budget.release(self._budgeted_bytes)
        self._budgeted_bytes = 0

    def _unsupported_upgrade_warning(self) -> None:
        """The parser stops after the head of a request that offers an upgrade: all bytes after it would be lost."""
        self.cycle.keep_alive = False
        if any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers):
            self._refuse(upgrade_with_body(), self.cycle)

    def send_400_response(self, msg: str) -> None:
        self._refuse(not_http(msg))

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
        self._release_budget()
        if faulty is None and self._is_receiving and not self._in_head:
            faulty = self.cycle
        is_last_open = not (self.cycle is None or self.cycle is faulty or self.cycle.response_complete)
        has_earlier = bool(self.pipeline) or is_last_open
        if faulty is not None and faulty.response_started:
            if faulty.response_complete:
                self._linger()
            else:
                self.transport.close()
            return
        if faulty is not None:
            self._abandon(faulty)
        self._tally.request_refused(error.status_code)
        seconds = self.loop.time() - self._began
        refusal = encode_refusal(self._errors.answer(error, self.client), self._headers_of(faulty), seconds)
        if has_earlier:
            self._queued_refusal = refusal
        else:
            self._send_refusal(refusal)

    def _abandon(self, cycle: RequestResponseCycle) -> None:
        """End a request as if its client had disconnected."""
        cycle.disconnected = cycle.response_complete = True
        cycle.body = bytearray()  # the client may linger
        cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()

    def _headers_of(self, faulty: RequestResponseCycle | None) -> RawHeaders:
        """The headers of the refused request that have arrived."""
        if faulty is not None:
            return faulty.scope["headers"]
        return self.headers if self._is_receiving else ()

    def _send_refusal(self, refusal: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal)
            self._linger()

    def _drop_body(self) -> None:
        super()._drop_body()
        self._release_budget()


def _has_unread_bytes(transport: Any) -> bool:
    if transport.is_closing():
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
