"""A refusal by a connection, as bytes."""

from collections.abc import Iterable

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from trackd.http.cors import cors_headers
from trackd.http.middleware import TRACK_HEADERS

RawHeaders = Iterable[tuple[bytes, bytes]]


def encode_refusal(answer: Response, request_headers: RawHeaders, seconds: float) -> bytes:
    """The answer with the headers of all answers; `request_headers` are those that have arrived.

    Without the CORS headers a page can read neither the status nor `Retry-After`. They need the request's `Origin`.
    """
    origins = [value for name, value in request_headers if name == b"origin"]
    headers = [
        *answer.raw_headers,
        *(cors_headers(origins[-1]) if origins else ()),
        *TRACK_HEADERS,
        (b"x-process-time", b"%.6f" % seconds),
        (b"connection", b"close"),
    ]
    lines = [b"%s: %s\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body])
