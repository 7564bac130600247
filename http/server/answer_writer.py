"""The transport of one answer: status line and headers are sent together with the first bytes of the body."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

CONTINUE = b"HTTP/1.1 100 "  # the client waits for it before it sends the body
LINE_END = b"\r\n"
IN_CHUNKS = LINE_END + b"transfer-encoding: chunked" + LINE_END


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])


@lru_cache(maxsize=8)
def default_lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The headers of all answers as they are sent: the same for a second, until their Date changes."""
    return header_lines(headers)


def content_of(chunk: bytes) -> bytes:
    """The bytes in a chunk as uvicorn writes it: one alone, with the last one behind it, or nothing."""
    size, _, rest = chunk.partition(LINE_END)
    return rest[: int(size, 16)] if size else b""


class AnswerWriter:
    """Stands in for the transport of a `RequestResponseCycle`, with the three methods that uvicorn calls there.

    uvicorn writes head and body apart. Each write is a packet for which the client wakes up. After the last answer of a
    connection it calls `close`, which calls the connection's own `close`.
    """

    def __init__(self, transport: Any, close: Callable[[], None], *, version: str = "1.1") -> None:
        """`version`: of the request. HTTP/1.0 has no chunks: an answer of unknown length ends with the connection."""
        self._transport = transport
        self._close = close
        self._has_chunks = version != "1.0"
        self._removes_frames = False
        self._head: bytes | None = None
        self._has_begun = self._has_ended = False

    def write(self, data: bytes) -> None:
        if not self._has_begun and not data.startswith(CONTINUE):
            self._has_begun = True
            self._removes_frames = not self._has_chunks and IN_CHUNKS in data
            self._head = data.replace(IN_CHUNKS, LINE_END, 1) if self._removes_frames else data
            return
        if self._removes_frames:
            data = content_of(data)
        if self._head is not None:
            data, self._head = self._head + data, None
        self._transport.write(data)

    def end(self) -> None:
        """The answer is complete."""
        self._has_ended = True
        self._flush()

    def close(self) -> None:
        if self._has_ended:
            return  # the application failed after its whole answer, as after a 500: the next request may be running
        self._flush()
        self._close()

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def _flush(self) -> None:
        """Send the head of an answer that has no body."""
        if self._head is not None:
            self._transport.write(self._head)
            self._head = None
