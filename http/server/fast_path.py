"""The fast path: a usual call of /track is answered without an ASGI application and without a task.

It takes calls that are small, do not come from a browser, and are answered 200. Any other request takes the slow path,
through uvicorn's tasks and the application; a call whose answer is an error falls back to it. Both paths share
`TrackEndpoint`, which decodes calls and builds answers.

A complete request whose head is in the header cache bypasses the parser too. It is parsed later when it falls back to
the slow path, or when more bytes arrive while it waits for its answer.
"""

import time
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from trackd.core.calls import Tracked
from trackd.http.body import HEADERS_BY_NAME, Headers, head_bytes
from trackd.http.middleware import TRACK_HEADERS
from trackd.http.server.answer_writer import header_lines
from trackd.http.server.connection import Connection
from trackd.http.server.header_cache import HeaderCache
from trackd.http.track.endpoint import TrackEndpoint
from trackd.http.track.pending_call import PENDING_CALL, PendingCall
from trackd.http.track.turns import LARGE_BYTES

MAX_BODY_BYTES = HIGH_WATER_LIMIT  # uvicorn stops reading at more, until the application has taken it
FAST_CONTENT_TYPES = {
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/json;charset=utf-8",
    b"text/plain",
}
SLOW_PATH_HEADERS = {
    b"content-encoding",
    b"expect",
    b"origin",
    b"transfer-encoding",
    b"x-forwarded-for",
    b"x-forwarded-proto",
}
CLOSE = (b"connection", b"close")
FIXED = STATUS_LINE[200] + b"content-type: application/json\r\n" + header_lines(TRACK_HEADERS)
HEAD = FIXED + b"content-length: %d\r\nx-process-time: %.6f\r\n%s\r\n%s"


class TrackConnection(Connection):
    """A connection with the fast path. A call is submitted there when its request is complete."""

    _awaiting_body: tuple[Headers, Any] | None = None  # headers and application of the running request
    _parsed: tuple[RequestResponseCycle, Any, PendingCall] | None = None  # the running request with its application
    _unparsed: tuple[bytes, PendingCall] | None = None  # the running request, when it bypassed the parser
    _submitted: PendingCall | None = None  # of the request that is being parsed after it bypassed the parser
    _first_chunk = b""  # the bytes that arrived last, when they began a request

    def __init__(self, track: TrackEndpoint, header_cache: HeaderCache, **inherited: Any) -> None:
        super().__init__(**inherited)
        self._track = track
        self._header_cache = header_cache

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._client = self._track.clients.of(self.client)

    def data_received(self, data: bytes) -> None:
        if self._unparsed is not None:
            self._parse()
        is_idle = self.cycle is None or self.cycle.response_complete
        is_first = is_idle and not self._is_receiving and not self._is_refused
        if is_first and not self.flow.write_paused:
            request = self._header_cache.match(data)
            if request is not None and self._submit_unparsed(data, *request):
                return
        self._first_chunk = data if is_first else b""
        super().data_received(data)
        self._first_chunk = b""  # an incomplete request must not keep it

    def eof_received(self) -> bool:  # type: ignore[override]
        self._parse()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unparsed = None
        super().connection_lost(exc)

    def _submit_unparsed(self, data: bytes, headers: Headers, body: bytes) -> bool:
        pending = self._submit_call(headers, body, len(data))
        if pending is None:
            return False
        self._unparsed = data, pending
        self._note_request()
        return True

    def _parse(self) -> None:
        """Parse the running request if it bypassed the parser. Its call is not submitted again."""
        if self._unparsed is not None:
            data, self._submitted = self._unparsed
            self._unparsed = None
            if not self._is_refused:
                self._parse_piece(data)  # at once: it is complete, and has a length

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._submitted is not None:
            self._running = cycle
            self._parsed, self._submitted = (cycle, app, self._submitted), None
            return
        if self.flow.write_paused:
            self._wait_for_reader(cycle, app)
            return
        scope = _scope(cycle)
        headers = self._fast_path_headers(scope)
        if headers is None:
            super()._start_asgi_task(cycle, app)
            return
        if self._first_chunk and cycle.keep_alive and scope["http_version"] == "1.1":
            self._header_cache.add(self._first_chunk, headers, int(headers[b"content-length"]))
        self._running, self._awaiting_body = cycle, (headers, app)
        if not cycle.more_body:
            self._submit(headers, app)

    def _fast_path_headers(self, scope: Scope) -> Headers | None:
        """The headers of a request that the fast path takes; None for others."""
        headers: Headers | None = scope.get(HEADERS_BY_NAME)
        if headers is None or scope["path"] not in self._track.paths or scope["method"] != "POST":
            return None
        size = headers.get(b"content-length", b"")
        takes_fast_path = (
            headers.get(b"content-type") in FAST_CONTENT_TYPES
            and size.isdigit()
            and int(size) <= min(MAX_BODY_BYTES, self._track.max_body_bytes)
            and SLOW_PATH_HEADERS.isdisjoint(headers)
        )
        return headers if takes_fast_path else None

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._in_head:
            return
        self._first_chunk = b""  # a second request in the same bytes is not at their beginning
        if self._awaiting_body is not None and self._running is self.cycle and not self.cycle.more_body:
            self._submit(*self._awaiting_body)

    def _submit(self, headers: Headers, app: Any) -> None:
        cycle, self._awaiting_body = self._running, None
        assert cycle is not None
        size = len(cycle.body) + head_bytes(_scope(cycle)["headers"])
        pending = self._submit_call(headers, bytes(cycle.body), size)
        if pending is None:
            super()._start_asgi_task(cycle, app)
            return
        self._parsed = (cycle, app, pending)

    def _submit_call(self, headers: Headers, body: bytes, size: int) -> PendingCall | None:
        """None when the slow path has to take the call: it is faulty, or large and has to wait for its turn."""
        is_large = len(body) > LARGE_BYTES
        if is_large and not self._track.turns.is_free():
            return None
        try:
            pending = self._track.submit(self._client, headers, body, size, self._on_answer)
        except Exception:  # the slow path meets it again and answers it
            return None
        if is_large:
            self._track.turns.spend(time.perf_counter() - pending.began)
        return pending

    def _on_answer(self) -> None:
        waiting = self._unparsed or self._parsed
        if waiting is None:
            return
        pending = waiting[-1]
        answer = pending.answer
        if not isinstance(answer, Tracked):
            self.fall_back()
            return
        try:
            body, seconds = self._track.build_answer(pending, answer)
        except Exception:  # the slow path meets it again and answers it
            self.fall_back()
            return
        if self._unparsed is not None:
            self._unparsed = None
            self._send(body, seconds, self.server_state.default_headers)
            self.on_response_complete()
        elif self._parsed is not None:
            cycle, self._parsed = self._parsed[0], None
            if not cycle.disconnected:
                self._complete(cycle, body, seconds)

    def fall_back(self) -> None:
        """Continue the running request on the slow path, with the call that was submitted.

        There it is a task, which can be cancelled when the server stops while the disk hangs.
        """
        self._parse()
        if self._parsed is not None:
            cycle, app, pending = self._parsed
            self._parsed = None
            _scope(cycle)[PENDING_CALL] = pending
            super()._start_asgi_task(cycle, app)

    def _complete(self, cycle: RequestResponseCycle, body: bytes, seconds: float) -> None:
        headers = cycle.default_headers
        if not cycle.keep_alive and CLOSE not in headers:
            headers = [*headers, CLOSE]
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self._send(body, seconds, headers)
        cycle.on_response()

    def _send(self, body: bytes, seconds: float, headers: list[tuple[bytes, bytes]]) -> None:
        self.transport.write(HEAD % (len(body), seconds, header_lines(tuple(headers)), body))
        if CLOSE in headers:
            self._close()


def _scope(cycle: RequestResponseCycle) -> Scope:
    return cast(Scope, cycle.scope)
