"""A call of /track past ASGI, where nothing is unusual: small, not from a browser, and answered 200.

Everything else goes the way through uvicorn's tasks and the application; so does the rest of the way of a call that
turns out to be unusual. What is decoded, asked and answered is the same on both, see `TrackEndpoint`.
"""

import asyncio
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from trackd.actors.messages import Tracked
from trackd.http.body import Headers
from trackd.http.connection import Connection
from trackd.http.track import ASKED, Asked, TrackEndpoint

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

    def __init__(self, track: TrackEndpoint, *others: Any, **uvicorns: Any) -> None:
        super().__init__(*others, **uvicorns)
        self._track = track

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        headers = _usual_headers(_scope(cycle), min(MAX_BODY_BYTES, self._track.max_body_bytes))
        if headers is None or self.flow.write_paused:
            super()._start_asgi_task(cycle, app)
            return
        self._running, self._begins = cycle, (headers, app)
        if not cycle.more_body:
            self._begin(headers, app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._begins is not None and self._running is self.cycle and not self.cycle.more_body:
            self._begin(*self._begins)

    def _begin(self, headers: Headers, app: Any) -> None:
        cycle, self._begins = self._running, None
        assert cycle is not None
        try:
            asked = self._track.ask(_scope(cycle), headers, bytes(cycle.body))
        except Exception:  # it is found again on the long way, which has an answer
            super()._start_asgi_task(cycle, app)
            return
        self._asked = (cycle, app, asked)
        asked.answer.add_done_callback(self._answered)

    def _answered(self, _: asyncio.Future[Any]) -> None:
        if self._asked is None:
            return
        cycle, _, asked = self._asked
        answer = asked.answer.result()
        if not isinstance(answer, Tracked):
            self.take_long_way()
            return
        try:
            body, took = self._track.tracked(asked, answer)
        except Exception:  # it is found again on the long way, which has an answer
            self.take_long_way()
            return
        self._asked = None
        if not cycle.disconnected:
            self._send(cycle, body, took)

    def take_long_way(self) -> None:
        """With what was asked: a task can be cancelled, when the server stops and the disk hangs."""
        if self._asked is not None:
            cycle, app, asked = self._asked
            self._asked = None
            _scope(cycle)[ASKED] = asked
            super()._start_asgi_task(cycle, app)

    def _send(self, cycle: RequestResponseCycle, body: bytes, took: float) -> None:
        headers = cycle.default_headers
        if not cycle.keep_alive and CLOSE not in headers:
            headers = [*headers, CLOSE]
        lines = b"".join([b"%s: %s\r\n" % header for header in headers])
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(STATUS_LINE[200] + HEAD % (len(body), took, lines, body))
        if not cycle.keep_alive or CLOSE in headers:
            self.transport.close()
        cycle.on_response()


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
