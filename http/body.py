"""Reading a request's body: bytes are counted as they arrive, gzip is decoded, nesting is measured before parsing."""

import re
import zlib
from collections.abc import Iterable, Mapping
from itertools import accumulate

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from trackd.http.errors import HttpError, invalid, too_large, unsupported

Headers = Mapping[bytes, bytes]
HEADERS_BY_NAME = "trackd.headers"  # in the scope of a request without a fault, from a connection of the server

LARGE_BYTES = 1_024  # a body of more than this is large, and so is a compressed one
MANY_OBJECTS = 32  # and one with more than these, such as tiny events
GZIP = 16 + zlib.MAX_WBITS
GZIP_OVERHEAD = 65_536  # the most that gzip adds: a header, and five bytes for each block that it cannot compress
GZIP_MAGIC = b"\x1f\x8b"
GZIP_CHUNK = 4_096  # decoded at once: the bytes after the end of a member are copied, and a body may have many
NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
PARENTHESES = bytes.maketrans(b"[{]}", b"(())")
QUOTED = re.compile(rb'"[^"]*+"?')
STEP = {ord("("): 1, ord(")"): -1}
LITTLE_REMOVED = 0.75  # deep bodies: then it takes less to count each bracket than to remove level after level


def head_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """About so many bytes has the head of a request with these headers."""
    return sum([len(name) + len(value) for name, value in headers])


def headers_of(scope: Scope) -> Headers:
    """The headers of a request by name; of those that are repeated the last."""
    return scope.get(HEADERS_BY_NAME) or dict(scope["headers"])


async def receive_body(headers: Headers, receive: Receive, max_bytes: int) -> "Body":
    """The complete body, not decoded yet.

    Raises HttpError when it is over `max_bytes`, ClientDisconnect when the client leaves before its end.
    """
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in (b"", b"identity"):
        body = Body(max_bytes)
    elif encoding in (b"gzip", b"x-gzip"):
        body = GzipBody(max_bytes)
    else:
        name = encoding.decode("latin-1")
        raise unsupported(f"The content encoding `{name}` is not supported: send gzip or identity.")
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        body.add(message.get("body", b""))
    return body


def is_large(body: bytes | bytearray) -> bool:
    """Whether a call with this body takes much of the server, and so a turn."""
    return len(body) > LARGE_BYTES or body.count(b"{") > MANY_OBJECTS


class Body:
    """The chunks of a body, at most `max_encoded_bytes` of them and `max_bytes` once decoded."""

    def __init__(self, max_bytes: int, max_encoded_bytes: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_encoded_bytes = max_bytes if max_encoded_bytes is None else max_encoded_bytes
        self._encoded = bytearray()  # a list of chunks of a few bytes would take many times as much

    def add(self, chunk: bytes) -> None:
        if len(self._encoded) + len(chunk) > self._max_encoded_bytes:
            raise self._too_large(chunk)
        self._encoded += chunk

    @property
    def size(self) -> int:
        """The bytes that have arrived."""
        return len(self._encoded)

    def is_large(self) -> bool:
        """See the function. In a form the braces of objects may be escaped; of a compressed body nothing is known."""
        return is_large(self._encoded) or self._encoded.count(b"%7") > MANY_OBJECTS

    def decoded(self) -> bytes:
        """Raises HttpError."""
        return bytes(self._encoded)

    def beginning(self) -> bytes:
        """All that was added, not decoded."""
        return bytes(self._encoded)

    def _too_large(self, chunk: bytes = b"") -> HttpError:
        error = too_large("body", f"{self._max_bytes} bytes")
        error.body = self.beginning() + chunk
        return error


class GzipBody(Body):
    """A gzip body, decoded up to one byte over the limit: a bomb takes no more memory than that.

    It has members, one after the other, and perhaps zeros after them. It is decoded when it is complete: the inbound
    budget counts the bytes that arrived, not those decoded from them.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, max_bytes + GZIP_OVERHEAD)

    def is_large(self) -> bool:
        return True

    def decoded(self) -> bytes:
        self._packed = memoryview(super().decoded())
        self._left = self._max_bytes
        if self._packed[:2] != GZIP_MAGIC[: len(self._packed)]:
            raise _invalid_gzip("it does not begin like gzip: without `Content-Encoding` it is taken as it is")
        parts, position = self._member(0)
        while not _is_padding(self._packed[position:]):
            if self._packed[position : position + 2] != GZIP_MAGIC:
                raise _invalid_gzip("there are bytes after its end")
            more, position = self._member(position)
            parts += more
        return b"".join(parts)

    def _member(self, position: int) -> tuple[list[bytes], int]:
        """The decoded parts of the member that begins there, and the position after it."""
        unzip, parts = zlib.decompressobj(GZIP), []
        while not unzip.eof:
            chunk = self._packed[position : position + GZIP_CHUNK]
            if not chunk:
                raise _invalid_gzip("it ends too early")
            try:
                parts.append(unzip.decompress(chunk, self._left + 1))
            except zlib.error as error:
                raise _invalid_gzip(str(error)) from None
            self._left -= len(parts[-1])
            if self._left < 0:
                raise self._too_large()
            position += len(chunk) - len(unzip.unused_data)
        return parts, position


def _is_padding(rest: memoryview) -> bool:
    """Some tools fill the last block with zeros."""
    return not rest or (rest[0] == 0 and not any(rest))


def _invalid_gzip(why: str) -> HttpError:
    return invalid([{"loc": ["body"], "msg": f"The body is not sound gzip: {why}", "type": "gzip"}])


def check_nesting(body: bytes, max_nesting: int) -> None:
    """Raises HttpError when objects and lists are nested deeper than that. The body is not parsed."""
    without = body.replace(b"{", b"").replace(b"[", b"")  # takes half as long as to count them
    if len(body) - len(without) <= max_nesting:
        return
    brackets = left = _brackets(body)
    for _ in range(max_nesting):
        before, left = len(left), left.replace(b"()", b"")  # removes the innermost level everywhere
        if not left:
            return
        if len(left) > before * LITTLE_REMOVED:
            break
    if max(accumulate(map(STEP.__getitem__, brackets)), default=0) > max_nesting:
        raise too_large("JSON", f"{max_nesting} levels of nesting")


def _brackets(body: bytes) -> bytes:
    """The brackets and braces of JSON, all as parentheses, without those in strings."""
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    structure = body.translate(PARENTHESES, NOT_STRUCTURE).replace(b'""', b"")  # leaves strings with brackets
    return QUOTED.sub(b"", structure) if b'"' in structure else structure
