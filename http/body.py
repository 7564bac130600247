"""Reading a request's body: bytes are counted as they arrive, gzip is decoded, nesting is measured before parsing."""

import re
import zlib
from collections.abc import Mapping
from itertools import accumulate

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from trackd.http.errors import HttpError, invalid, too_large, unsupported

Headers = Mapping[bytes, bytes]

GZIP = 16 + zlib.MAX_WBITS
GZIP_OVERHEAD = 65_536  # the most that gzip adds: a header, and five bytes for each block that it cannot compress
# Possessive quantifiers and an optional closing quote: one pass over any text, without backtracking.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check_content_type(headers: Headers) -> None:
    """Accept JSON, plain text (beacons send it) and a missing content type. Raises HttpError for others."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type in (b"application/json", b"text/plain", b"") or (
        media_type.startswith(b"application/") and media_type.endswith(b"+json")
    ):
        return
    raise unsupported(
        f"The content type `{media_type.decode('latin-1')}` is not supported: "
        "send JSON as application/json or text/plain."
    )


async def read_body(headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    """The complete body, decoded.

    Raises HttpError when it is over `max_bytes` or badly encoded, ClientDisconnect when the client leaves before its
    end.
    """
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in (b"", b"identity"):
        body: _Body = _Body(max_bytes)
    elif encoding in (b"gzip", b"x-gzip"):
        body = _GzipBody(max_bytes)
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
    return body.decoded()


class _Body:
    """The chunks of a body, at most `max_encoded_bytes` of them and `max_bytes` once decoded."""

    def __init__(self, max_bytes: int, max_encoded_bytes: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_encoded_bytes = max_bytes if max_encoded_bytes is None else max_encoded_bytes
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._max_encoded_bytes:
            raise self._too_large()
        self._parts.append(chunk)

    def decoded(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _too_large(self) -> HttpError:
        return too_large("body", f"{self._max_bytes} bytes")


class _GzipBody(_Body):
    """A gzip body, decoded up to one byte over the limit: a bomb takes no more memory than that.

    It is decoded when it is complete: the inbound budget counts the bytes that arrived, not those decoded from them.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, max_bytes + GZIP_OVERHEAD)

    def decoded(self) -> bytes:
        unzip = zlib.decompressobj(GZIP)
        try:
            body = unzip.decompress(super().decoded(), self._max_bytes + 1)
        except zlib.error as error:
            raise _invalid_gzip(str(error)) from None
        if len(body) > self._max_bytes:
            raise self._too_large()
        if not unzip.eof:
            raise _invalid_gzip("it ends too early")
        if unzip.unused_data:
            raise _invalid_gzip("there are bytes after its end")
        return body


def _invalid_gzip(why: str) -> HttpError:
    return invalid([{"loc": ["body"], "msg": f"The body is not sound gzip: {why}", "type": "gzip"}])


def check_nesting(body: bytes, max_nesting: int) -> None:
    """Raises HttpError when objects and lists are nested deeper than that. The body is not parsed."""
    if body.count(b"[") + body.count(b"{") <= max_nesting:
        return
    brackets = STRING.sub(b"", body).translate(None, NOT_BRACKETS)
    if max(accumulate(map(STEP.__getitem__, brackets)), default=0) > max_nesting:
        raise too_large("JSON", f"{max_nesting} levels of nesting")
