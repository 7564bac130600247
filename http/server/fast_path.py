"""The fast path: calls of `/track` and preflights are answered without an ASGI application and without a task.

It takes all calls of clients of any kind, whatever their answer, but those that are compressed, chunked, large, or of
an unusual content type: they take the slow path, through uvicorn's tasks and the application, like requests to all
other endpoints. Both paths share `TrackEndpoint`, which decodes calls and builds answers.

A usual request bypasses the parser too (`usual_request.py`). What arrives while it is answered waits as bytes.
"""

import time
from typing import Any, cast

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from trackd.core.work import FULL
from trackd.http.body import HEADERS_BY_NAME, Headers, head_bytes, is_large
from trackd.http.clients import Client, Peer
from trackd.http.content_types import USUAL_TYPES
from trackd.http.cors import cors_headers, public_preflight
from trackd.http.errors import HttpError
from trackd.http.middleware import ANY_PAGE, NO_SNIFF, NO_STORE, TRACK_HEADERS, RawHeaders
from trackd.http.paths import is_path
from trackd.http.server.answer_writer import default_lines, header_lines
from trackd.http.server.connection import Connection
from trackd.http.server.proxy_headers import ForwardedClients, is_unix_socket
from trackd.http.server.usual_request import UNUSUAL_HEADERS, UsualRequest, UsualRequests
from trackd.http.track.endpoint import TrackEndpoint
from trackd.http.track.outcome import body_of
from trackd.http.track.pending_call import PendingCall, no_callback
from trackd.http.track.turns import POSTPONED

MAX_BODY_BYTES = HIGH_WATER_LIMIT  # uvicorn stops reading at more, until the application has taken it
CLOSE = (b"connection", b"close")
OK = STATUS_LINE[200] + b"content-type: application/json\r\n" + header_lines(TRACK_HEADERS)
FOR_PAGE = OK + header_lines(cors_headers(b"%s", credentials=True))
END = b"content-length: %d\r\nx-process-time: %.6f\r\n%s\r\n"


class RunningCall(Struct):
    """A call on the fast path. `cycle` is its request, if it was parsed; `began` is a time of `time.perf_counter()`."""

    client: Client
    origin: bytes | None
    keeps_alive: bool
    began: float
    cycle: RequestResponseCycle | None
    pending: PendingCall | None = None


class TrackConnection(Connection):
    """A connection with the fast path. A call is submitted there when its request is complete."""

    _awaiting_body: tuple[Headers, Any] | None = None  # headers and application of the running request
    _is_proxy = False  # the peer, which is trusted
    _call: RunningCall | None = None
    _is_postponed = False  # the request that is parsed next, or was just now

    def __init__(
        self,
        track: TrackEndpoint,
        usual_requests: UsualRequests,
        forwarded_clients: ForwardedClients,
        **inherited: Any,
    ) -> None:
        super().__init__(**inherited)
        self._track = track
        self._max_body = min(MAX_BODY_BYTES, track.max_body_bytes)
        self._usual_requests = usual_requests
        self._forwarded_clients = forwarded_clients

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._peer = self._track.clients.of(self.client)
        self._is_proxy = is_unix_socket(self.server) or self._forwarded_clients.proxies.has(self.client)

    def data_received(self, data: bytes) -> None:
        is_idle = self._idle_since is not None or self._awaits_first_request
        if is_idle and not (self._rest or self._is_refused or self.flow.write_paused):
            request = self._usual_requests.read(data)
            if request is not None and self._begin_usual(request, len(data)):
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._call = self._awaiting_body = None
        self._is_bypassing = False
        super().connection_lost(exc)

    def _begin_usual(self, request: UsualRequest, size: int) -> bool:
        if not request.is_call:
            self._answer_preflight(request)
            return True
        if request.headers.get(b"content-type", b"") not in USUAL_TYPES or len(request.body) > self._max_body:
            return False
        return self._begin(request.headers, request.body, size, request.keeps_alive)

    def _answer_preflight(self, request: UsualRequest) -> None:
        self._note_request()
        self._is_bypassing = True
        self._call = RunningCall(self._peer, None, request.keeps_alive, time.perf_counter(), None)
        self._send_response(public_preflight(request.headers), (NO_SNIFF, NO_STORE, ANY_PAGE))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self.flow.write_paused:
            self._wait_for_reader(cycle, app)
            return
        headers = self._fast_path_headers(_scope(cycle))
        if headers is None:
            super()._start_asgi_task(cycle, app)
            return
        self._running, self._awaiting_body = cycle, (headers, app)
        if not cycle.more_body:
            self._begin_parsed(headers, app)

    def _fast_path_headers(self, scope: Scope) -> Headers | None:
        """The headers of a parsed request that the fast path takes; None for others."""
        headers: Headers | None = scope.get(HEADERS_BY_NAME)
        if headers is None or scope["method"] != "POST" or not is_path(scope, self._track.paths):
            return None
        size = headers.get(b"content-length", b"0")
        takes_fast_path = (
            headers.get(b"content-type", b"") in USUAL_TYPES
            and size.isdigit()
            and int(size) <= self._max_body
            and UNUSUAL_HEADERS.isdisjoint(headers)
            and len(headers) == len(scope["headers"])
        )
        return headers if takes_fast_path else None

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._awaiting_body is not None and self._running is self.cycle and not self.cycle.more_body:
            self._begin_parsed(*self._awaiting_body)

    def _begin_parsed(self, headers: Headers, app: Any) -> None:
        cycle, self._awaiting_body = self._running, None
        assert cycle is not None
        size = len(cycle.body) + head_bytes(_scope(cycle)["headers"])
        if self._is_postponed or not self._begin(headers, bytes(cycle.body), size, cycle.keep_alive, cycle):
            if self._is_postponed:
                _scope(cycle)["state"][POSTPONED], self._is_postponed = True, False
            super()._start_asgi_task(cycle, app)

    def _begin(
        self,
        headers: Headers,
        body: bytes,
        size: int,
        keeps_alive: bool,
        cycle: RequestResponseCycle | None = None,
    ) -> bool:
        """Submit a call; `size`: head and body. Returns False when the slow path has to take it.

        It takes those that have to wait for a turn or are postponed, and faulty ones that the parser has read: an
        answer within its callbacks could end the connection.
        """
        client, turns = self._client_of(headers), self._track.turns
        takes_turn, allowance = is_large(body), FULL
        if turns.costly.until and not takes_turn:
            takes_turn, allowance = turns.of_small_call(client, self._peer_of(client))
        if takes_turn and not turns.is_free():
            return False
        began = time.perf_counter()
        self._call = call = RunningCall(client, headers.get(b"origin"), keeps_alive, began, cycle)
        if cycle is None:
            self._is_bypassing = True
            self._note_request()
        try:
            call.pending = self._track.submit(client, headers, body, size, self._on_answer, allowance)
        except Exception as error:
            if cycle is not None:
                self._call = None
                return False
            self._track.limited_clients.note_refused(client, error)
            if isinstance(error, HttpError):
                error.body = body
            self._refuse_call(error)
        if takes_turn:
            turns.spend(time.perf_counter() - began)
        if self._track.tally.long_call and (pending := call.pending) is not None:
            self._note_long(pending, client, had_turn=takes_turn)
            if pending.is_postponed:
                self._postpone(pending)
                return False
        return True

    def _note_long(self, pending: PendingCall, client: Client, *, had_turn: bool) -> int:
        """Count a call that may have taken long. Returns the units of work if it did."""
        return self._track.turns.note(pending, client, self._peer_of(client), had_turn=had_turn)

    def _peer_of(self, client: Client) -> Peer | None:
        """The address and port of the connection, if no other client has it."""
        return self.client if client is self._peer else None

    def _postpone(self, pending: PendingCall) -> None:
        """Leave the running call to the slow path."""
        pending.answered = no_callback
        self._call, self._is_bypassing, self._is_postponed = None, False, True

    def _client_of(self, headers: Headers) -> Client:
        forwarded = headers.get(b"x-forwarded-for")
        if forwarded is None or not self._is_proxy:
            return self._peer
        return self._forwarded_clients.of(forwarded) or self._peer

    def _on_answer(self) -> None:
        call = self._call
        if call is None or call.pending is None or call.pending.answer is None:  # the client has gone
            return
        try:
            body = body_of(call.pending)
        except Exception as error:
            self._refuse_call(error)
            return
        seconds = time.perf_counter() - call.began
        self._track.tally.call_answered(200, seconds, call.pending.request.source_id)
        self._send(OK if call.origin is None else FOR_PAGE % call.origin, body, seconds)

    def _note_refusal(self, error: HTTPException, target: bytes, headers: RawHeaders) -> Client:
        reported = None
        if self._is_proxy and not self._in_head:  # of an incomplete head the line of the proxy may be missing
            forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
            reported = self._forwarded_clients.of(forwarded)
        client = reported or self._track.clients.of(self.client)
        if self._refusal_headers.is_track(target):
            self._track.refused_calls.add(error, client)
        return client

    def refuse_running(self, error: HTTPException) -> None:
        """Answer the call that waits for the actors with an error: the server stops, and the disk hangs."""
        if self._call is not None:
            self._refuse_call(error)

    def _refuse_call(self, error: Exception) -> None:
        assert self._call is not None
        call = self._call
        response = self._track.refusal(error, call.client, call.began)
        cors = cors_headers(call.origin, credentials=True) if call.origin is not None else ()
        self._send_response(response, (*TRACK_HEADERS, *cors))
        if not isinstance(error, HTTPException):
            self.logger.error("Exception in ASGI application\n", exc_info=error)

    def _send_response(self, response: Response, common: tuple[tuple[bytes, bytes], ...]) -> None:
        assert self._call is not None
        own = [header for header in response.raw_headers if header[0] != b"content-length"]
        head = STATUS_LINE[response.status_code] + header_lines((*own, *common))
        self._send(head, bytes(response.body), time.perf_counter() - self._call.began)

    def _send(self, head: bytes, body: bytes, seconds: float) -> None:
        """Answer the running call, and go on with the next request. `head` lacks the headers of each answer."""
        call, self._call, self._is_bypassing = self._call, None, False
        assert call is not None
        headers = self.server_state.default_headers
        closes = CLOSE in headers
        if not call.keeps_alive and not closes:
            headers, closes = [*headers, CLOSE], True
        if (cycle := call.cycle) is not None:
            cycle.response_started = cycle.response_complete = True
            cycle.message_event.set()
        self.transport.write(b"".join([head, END % (len(body), seconds, default_lines(tuple(headers))), body]))
        if closes:
            self._close()
        if cycle is None:
            self._become_idle()
        if cycle is not None or closes or self._rest or self._is_refused or self._has_eof:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1


def _scope(cycle: RequestResponseCycle) -> Scope:
    return cast(Scope, cycle.scope)
