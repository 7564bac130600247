"""The bytes of a request's body: counted as they arrive, unpacked, and measured before they are parsed."""

import re
import zlib
from collections.abc import AsyncIterator, Mapping
from itertools import accumulate

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from trackd.http.errors import invalid, too_large, unsupported

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
        return await _limited(_chunks(receive), max_bytes)
    if encoding in (b"gzip", b"x-gzip"):
        return await _limited(_unzipped(_chunks(receive), max_bytes), max_bytes)
    raise unsupported(f"The content encoding `{encoding.decode('latin-1')}` is not supported: send gzip or identity.")


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _limited(chunks: AsyncIterator[bytes], max_bytes: int) -> bytes:
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise too_large("body", f"{max_bytes} bytes")
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _unzipped(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Unpack no more than one byte over the limit, however much a bomb would unpack to, or pack into nothing."""
    unzip = zlib.decompressobj(GZIP)
    packed, left = 0, max_bytes + 1
    try:
        async for chunk in chunks:
            packed += len(chunk)
            if packed > max_bytes + GZIP_OVERHEAD:
                raise too_large("body", f"{max_bytes} bytes")
            while chunk and not unzip.eof:
                data = unzip.decompress(chunk, left)
                left -= len(data)
                yield data
                chunk = unzip.unconsumed_tail or unzip.unused_data
            if chunk:
                raise zlib.error("there are bytes after its end")
    except zlib.error as error:
        raise invalid([{"loc": ["body"], "msg": f"The body is not sound gzip: {error}", "type": "gzip"}]) from None
    if not unzip.eof:
        raise invalid([{"loc": ["body"], "msg": "The body is not sound gzip: it ends too early", "type": "gzip"}])


def check_nesting(body: bytes, max_nesting: int) -> None:
    """Raises HttpError when objects and lists are nested deeper, without parsing them."""
    if body.count(b"[") + body.count(b"{") <= max_nesting:
        return
    brackets = STRING.sub(b"", body).translate(None, NOT_BRACKETS)
    if max(accumulate(map(STEP.__getitem__, brackets)), default=0) > max_nesting:
        raise too_large("JSON", f"{max_nesting} levels of nesting")
