"""A refusal by a connection, as bytes."""

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from trackd.http.middleware import RawHeaders


def encode_refusal(answer: Response, common: RawHeaders, seconds: float) -> bytes:
    """The answer with the headers that all answers have. `common`: those of `RefusalHeaders`."""
    headers = [
        *answer.raw_headers,
        *common,
        (b"x-process-time", b"%.6f" % seconds),
        (b"connection", b"close"),
    ]
    lines = [b"%s: %s\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body])
