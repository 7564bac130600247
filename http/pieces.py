"""Large answers in pieces: what a client has read is freed, and what it has not read is counted.

A transport keeps all that it was given until the last byte of it is sent.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

PIECE_BYTES = 131_072
UNSENT = "trackd.unsent_bytes"  # in the state of a request: bytes of its answer that the transport does not have yet
ENDLESS = "trackd.endless"  # there too: the answer goes on until its client goes away


def pieces_of(body: bytes) -> list[bytes]:
    """At least one piece, also of an empty body."""
    if len(body) <= PIECE_BYTES:
        return [body]
    return [body[begin : begin + PIECE_BYTES] for begin in range(0, len(body), PIECE_BYTES)]


class PiecewiseResponse(Response):
    """An answer of JSON."""

    def __init__(self, pieces: list[bytes]) -> None:
        size = sum(map(len, pieces))
        super().__init__(media_type="application/json", headers={"content-length": str(size)})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _send_pieces(self._pieces, scope, send, more=False)


class PiecewiseStream(StreamingResponse):
    """An answer whose length is unknown at first, by default of JSON."""

    def __init__(
        self, parts: AsyncIterator[bytes], headers: Mapping[str, str], media_type: str = "application/json"
    ) -> None:
        super().__init__(parts, media_type=media_type, headers=headers)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self._parts:
            pieces = pieces_of(part)
            del part
            await _send_pieces(pieces, self._scope, send, more=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_pieces(pieces: list[bytes], scope: Scope, send: Send, more: bool) -> None:
    """Send all, each when the client has read those before it. The list is empty in the end."""
    state: dict[str, Any] = scope.setdefault("state", {})  # shared by copies of the scope
    unsent = sum(map(len, pieces))
    pieces.reverse()
    try:
        while pieces:
            piece = pieces.pop()
            state[UNSENT] = unsent
            unsent -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": more or bool(pieces)})
    finally:
        state.pop(UNSENT, None)
