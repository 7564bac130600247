"""The bodies of refused calls, for their refusals."""

import asyncio

from starlette.types import Receive

from trackd.http.body import Body, Headers
from trackd.http.errors import UNSUPPORTED, HttpError


async def add_body(error: HttpError, headers: Headers, received: Body | None, receive: Receive) -> None:
    """Add the body of a refused call to its error, as far as it was read.

    What has arrived of a body of an unsupported type is read now: it shows which client sends that.
    """
    if received is not None and error.body is None:
        error.body = received.beginning()
    elif error.status_code == UNSUPPORTED and b"expect" not in headers:
        error.body = await _arrived(receive)


async def _arrived(receive: Receive) -> bytes | None:
    """The bytes of a body that are there without a wait for the client; None if there are none."""
    reading = asyncio.ensure_future(receive())
    arrived, _ = await asyncio.wait({reading}, timeout=0)
    if not arrived:
        reading.cancel()
        await asyncio.wait({reading})
        return None
    body: bytes | None = reading.result().get("body")
    return body or None
