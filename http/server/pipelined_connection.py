"""A connection that parses a request only when it is nearly its turn.

uvicorn parses all that arrives at once. A client that pipelines a thousand requests and reads no answer would hold
megabytes of parsed requests.
"""

import re
from typing import Any

from trackd.http.server.flow_control import PipelineFlowControl
from trackd.http.server.pipeline_turns import PipelineTurns
from trackd.http.server.request_parsing import RequestParsing

BLANK_LINES = re.compile(rb"\n[\r\n]*\n")  # the end of each head is one
MIN_PIECE_BYTES = 64  # of bytes that are parsed together: the heads of five requests at most


class PipelinedConnection(RequestParsing):
    """An HTTP/1.1 connection. A few parsed requests wait for their turn; the others wait as bytes.

    Reading is paused while requests wait. Subclasses have `begin_next`.
    """

    _rest = b""  # unparsed
    _rest_begin = 0  # the position of the first unparsed byte

    def __init__(self, pipeline_turns: PipelineTurns, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._pipeline_turns = pipeline_turns

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = PipelineFlowControl(transport, self._has_waiting)

    def _has_waiting(self) -> bool:
        return bool(self.pipeline or self._rest)

    def data_received(self, data: bytes) -> None:
        if self._has_waiting():
            self._rest, self._rest_begin = self._rest[self._rest_begin :] + data, 0
        elif data.count(b"\n\r\n") + data.count(b"\n\n") < 2:  # no second request that is complete
            self._parse_piece(data)
        else:
            self._rest = data
            self._parse_rest()

    def _parse_rest(self) -> None:
        """Parse until a request has to wait. A piece ends with a blank line, so it has few requests."""
        while self._rest and not self.pipeline:
            begin = self._rest_begin
            blank = BLANK_LINES.search(self._rest, begin + MIN_PIECE_BYTES)
            piece = self._rest[begin : blank.end() if blank else None]
            if blank is None or blank.end() == len(self._rest):
                self._drop_rest()
            else:
                self._rest_begin = blank.end()
            self._parse_piece(piece)
        if self._rest:
            self.flow.pause_reading()

    def _parse_piece(self, piece: bytes) -> None:
        super().data_received(piece)

    def _drop_rest(self) -> None:
        self._rest, self._rest_begin = b"", 0

    def _rest_bytes(self) -> int:
        return len(self._rest) - self._rest_begin
