"""A connection that parses a request only when it is nearly its turn, and long ones a part at a time.

uvicorn parses all that arrives at once. A client that pipelines a thousand requests and reads no answer would hold
megabytes of parsed requests. One that sends its body in chunks of a byte would hold up all others, for 40,000 of them
arrive together.
"""

import re
from functools import partial
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from trackd.http.server.flow_control import PipelineFlowControl
from trackd.http.server.read_turns import ReadTurns
from trackd.http.server.request_parsing import RequestParsing

BLANK_LINES = re.compile(rb"\n[\r\n]*\n")  # the end of each head is one
MIN_PIECE_BYTES = 64  # of bytes that are parsed together: the heads of five requests at most
MAX_PIECE_BYTES = 2_048
MAX_LINES = 512  # after so many the connection waits for its turn; each header and chunk has a line


class PipelinedConnection(RequestParsing):
    """An HTTP/1.1 connection. A few parsed requests wait for their turn; the others wait as bytes.

    Reading is paused while requests or bytes wait. Subclasses override `begin_next`.
    """

    _rest = b""  # unparsed
    _rest_begin = 0  # the position of the first unparsed byte
    _awaits_turn = False
    _is_bypassing = False  # the running request bypasses the parser; a subclass sets it

    def __init__(self, pipeline_turns: ReadTurns, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._pipeline_turns = pipeline_turns

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = PipelineFlowControl(transport, self._has_waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        cast(PipelineFlowControl, self.flow).end()

    def _has_waiting(self) -> bool:
        return bool(self.pipeline or self._rest)

    def data_received(self, data: bytes) -> None:
        if self._is_bypassing or self._has_waiting():
            self._rest, self._rest_begin = self._rest[self._rest_begin :] + data, 0
            self.flow.pause_reading()
        elif data.count(b"\n\r\n") + data.count(b"\n\n") >= 2 or _has_many_lines(data):
            self._rest = data
            self._parse_rest()
        else:  # no second request that is complete
            self._parse_piece(data)

    def _parse_rest(self) -> None:
        """Parse until a request has to wait, or other connections have.

        A piece ends with a blank line, so it has few requests.
        """
        lines = 0
        while self._rest and not self.pipeline and lines < MAX_LINES:
            begin = self._rest_begin
            blank = BLANK_LINES.search(self._rest, begin + MIN_PIECE_BYTES, begin + MAX_PIECE_BYTES)
            end = blank.end() if blank else begin + MAX_PIECE_BYTES
            piece = self._rest[begin:end]
            if end >= len(self._rest):
                self._drop_rest()
            else:
                self._rest_begin = end
            lines += piece.count(b"\n")
            self._parse_piece(piece)
        if self._rest:
            self.flow.pause_reading()
            if not self.pipeline:
                self._await_turn()

    def begin_next(self) -> None:
        """Begin the next request, or parse on, if the connection is still open."""
        raise NotImplementedError

    def _await_turn(self) -> None:
        if not self._awaits_turn:
            self._awaits_turn = True
            self._pipeline_turns.add(self.begin_next, self.client)

    def _parse_piece(self, piece: bytes) -> None:
        super().data_received(piece)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, partial(_handle, cycle, app))

    def _drop_rest(self) -> None:
        self._rest, self._rest_begin = b"", 0

    def _rest_bytes(self) -> int:
        return len(self._rest) - self._rest_begin


async def _handle(cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request on, unless it was refused before its task began."""
    if not cycle.response_complete:
        await app(scope, receive, send)


def _has_many_lines(data: bytes) -> bool:
    return len(data) > MAX_PIECE_BYTES and data.count(b"\n") > MAX_LINES
