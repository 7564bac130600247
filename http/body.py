"""The bytes of a request's body: counted as they arrive, unpacked, and measured before they are parsed."""

import re
import zlib
from collections.abc import Mapping
from itertools import accumulate

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from trackd.http.errors import HttpError, invalid, too_large, unsupported

Headers = Mapping[bytes, bytes]

GZIP = 16 + zlib.MAX_WBITS
GZIP_OVERHEAD = 65_536  # what packing may add: the header, and five bytes to each block that cannot be packed
# Possessive, and content without a closing quote: one pass, however the text is made.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check_content_type(headers: Headers) -> None:
    """JSON, text (beacons) or nothing said. Raises HttpError."""
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
    """The whole body, decoded. Raises HttpError, and ClientDisconnect when the client went away before its end."""
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
    return body.whole()


class _Body:
    """What has arrived of a body."""

    def __init__(self, max_bytes: int, max_arriving: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_arriving = max_bytes if max_arriving is None else max_arriving
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._max_arriving:
            raise self._too_large()
        self._parts.append(chunk)

    def whole(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _too_large(self) -> HttpError:
        return too_large("body", f"{self._max_bytes} bytes")


class _GzipBody(_Body):
    """Unpacks no more than one byte over the limit, however much a bomb would unpack to, or pack into nothing.

    And not before its end is here: 1 KB that waits for the rest would hold 1 MB that nobody counts.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, max_bytes + GZIP_OVERHEAD)

    def whole(self) -> bytes:
        unzip = zlib.decompressobj(GZIP)
        try:
            body = unzip.decompress(super().whole(), self._max_bytes + 1)
        except zlib.error as error:
            raise _unsound(str(error)) from None
        if len(body) > self._max_bytes:
            raise self._too_large()
        if not unzip.eof:
            raise _unsound("it ends too early")
        if unzip.unused_data:
            raise _unsound("there are bytes after its end")
        return body


def _unsound(why: str) -> HttpError:
    return invalid([{"loc": ["body"], "msg": f"The body is not sound gzip: {why}", "type": "gzip"}])


def check_nesting(body: bytes, max_nesting: int) -> None:
    """Raises HttpError when objects and lists are nested deeper, without parsing them."""
    if body.count(b"[") + body.count(b"{") <= max_nesting:
        return
    brackets = STRING.sub(b"", body).translate(None, NOT_BRACKETS)
    if max(accumulate(map(STEP.__getitem__, brackets)), default=0) > max_nesting:
        raise too_large("JSON", f"{max_nesting} levels of nesting")
