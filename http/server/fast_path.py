"""A call of /track past ASGI, where nothing is unusual: small, not from a browser, and answered 200.

Everything else goes the way through uvicorn's tasks and the application; so does the rest of the way of a call that
turns out to be unusual. What is decoded, asked and answered is the same on both, see `TrackEndpoint`.

A request that is here in whole, and whose head came before byte by byte the same, is not even parsed, unless it turns
out that it has to be: it takes the long way after all, or something comes after it while it waits for its answer.
"""

import asyncio
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from trackd.core.calls import Tracked
from trackd.http.body import Headers
from trackd.http.server.connection import Connection
from trackd.http.server.header_cache import HeaderCache
from trackd.http.track.endpoint import ASKED, Asked, TrackEndpoint

MAX_BODY_BYTES = HIGH_WATER_LIMIT  # uvicorn stops to read at more, until the application has taken it
USUAL_TYPES = {
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/json;charset=utf-8",
    b"text/plain",
}
UNUSUAL = {
    b"content-encoding",
    b"expect",
    b"origin",
    b"transfer-encoding",
    b"upgrade",
    b"x-forwarded-for",
    b"x-forwarded-proto",
}
CLOSE = (b"connection", b"close")
HEAD = b"content-type: application/json\r\ncontent-length: %d\r\nx-process-time: %.6f\r\nvary: Origin\r\n%s\r\n%s"


class TrackConnection(Connection):
    """A request on the short way is begun when it is here in whole, and has no task."""

    _begins: tuple[Headers, Any] | None = None  # with the application, while the body of the running request arrives
    _asked: tuple[RequestResponseCycle, Any, Asked] | None = None
    _unparsed: tuple[bytes, Asked] | None = None  # the running request, when it was asked by its head
    _taken: Asked | None = None  # of the request that is being parsed
    _chunk = b""  # arrived last, when it began a request

    def __init__(self, track: TrackEndpoint, heads: HeaderCache, *others: Any, **uvicorns: Any) -> None:
        super().__init__(*others, **uvicorns)
        self._track = track
        self._heads = heads

    def data_received(self, data: bytes) -> None:
        if self._unparsed is not None:
            self._parse()
        begins = not self._arriving and (self.cycle is None or self.cycle.response_complete) and not self._refused
        if begins and not self.flow.write_paused:
            request = self._heads.request(data)
            if request is not None and self._ask(data, *request):
                return
        self._chunk = data if begins else b""
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unparsed = None
        super().connection_lost(exc)

    def _ask(self, data: bytes, headers: Headers, body: bytes) -> bool:
        try:
            asked = self._track.ask(self.client, headers, body)
        except Exception:  # it is found again on the long way, which has an answer
            return False
        self._unparsed = data, asked
        self._speaks()
        asked.answer.add_done_callback(self._answered)
        return True

    def _parse(self) -> None:
        """What was asked without it."""
        if self._unparsed is not None:
            data, self._taken = self._unparsed
            self._unparsed = None
            super().data_received(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._taken is not None:
            self._running = cycle
            self._asked, self._taken = (cycle, app, self._taken), None
            return
        scope = _scope(cycle)
        headers = _usual_headers(scope, min(MAX_BODY_BYTES, self._track.max_body_bytes))
        if headers is None or self.flow.write_paused:
            super()._start_asgi_task(cycle, app)
            return
        if self._chunk and cycle.keep_alive and scope["http_version"] == "1.1":
            self._heads.learn(self._chunk, headers, int(headers[b"content-length"]))
        self._running, self._begins = cycle, (headers, app)
        if not cycle.more_body:
            self._begin(headers, app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._chunk = b""  # another request in it would be taken for the first
        if self._begins is not None and self._running is self.cycle and not self.cycle.more_body:
            self._begin(*self._begins)

    def _begin(self, headers: Headers, app: Any) -> None:
        cycle, self._begins = self._running, None
        assert cycle is not None
        try:
            asked = self._track.ask(self.client, headers, bytes(cycle.body))
        except Exception:  # it is found again on the long way, which has an answer
            super()._start_asgi_task(cycle, app)
            return
        self._asked = (cycle, app, asked)
        asked.answer.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[Any]) -> None:
        waiting = self._unparsed or self._asked
        if waiting is None:
            return
        asked = waiting[-1]
        answer = asked.answer.result()
        if not isinstance(answer, Tracked):
            self.take_long_way()
            return
        try:
            body, took = self._track.tracked(asked, answer)
        except Exception:  # it is found again on the long way, which has an answer
            self.take_long_way()
            return
        if self._unparsed is not None:
            self._unparsed = None
            self._send(body, took, self.server_state.default_headers)
            self.on_response_complete()
        elif self._asked is not None:
            cycle, self._asked = self._asked[0], None
            if not cycle.disconnected:
                self._complete(cycle, body, took)

    def take_long_way(self) -> None:
        """With what was asked: a task can be cancelled, when the server stops and the disk hangs."""
        self._parse()
        if self._asked is not None:
            cycle, app, asked = self._asked
            self._asked = None
            _scope(cycle)[ASKED] = asked
            super()._start_asgi_task(cycle, app)

    def _complete(self, cycle: RequestResponseCycle, body: bytes, took: float) -> None:
        headers = cycle.default_headers
        if not cycle.keep_alive and CLOSE not in headers:
            headers = [*headers, CLOSE]
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self._send(body, took, headers)
        cycle.on_response()

    def _send(self, body: bytes, took: float, headers: list[tuple[bytes, bytes]]) -> None:
        lines = b"".join([b"%s: %s\r\n" % header for header in headers])
        self.transport.write(STATUS_LINE[200] + HEAD % (len(body), took, lines, body))
        if CLOSE in headers:
            self.transport.close()


def _usual_headers(scope: Scope, max_size: int) -> Headers | None:
    """Of a request that may go the short way."""
    if scope["path"] != "/track" or scope["method"] != "POST":
        return None
    headers: Headers = dict(scope["headers"])
    size = headers.get(b"content-length", b"")
    is_usual = (
        headers.get(b"content-type") in USUAL_TYPES
        and size.isdigit()
        and int(size) <= max_size
        and UNUSUAL.isdisjoint(headers)
    )
    return headers if is_usual else None


def _scope(cycle: RequestResponseCycle) -> Scope:
    return cast(Scope, cycle.scope)
