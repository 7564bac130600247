"""A refusal by a connection, as bytes."""

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from trackd.http.middleware import RawHeaders
from trackd.http.server.answer_writer import header_lines


def encode_refusal(answer: Response, common: RawHeaders, seconds: float) -> bytes:
    """The answer with the headers that all answers have. `common`: those of `RefusalHeaders` and of the server."""
    own = [(b"x-process-time", b"%.6f" % seconds), (b"connection", b"close")]
    lines = header_lines(dict.fromkeys([*answer.raw_headers, *common, *own]))  # a stopping server closes too
    return b"".join([STATUS_LINE[answer.status_code], lines, b"\r\n", answer.body])
