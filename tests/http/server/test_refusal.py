"""A refusal by a connection, as bytes."""

from starlette.responses import JSONResponse

from tests.support.raw_http import statuses
from trackd.http.server.refusal import encode_refusal

ANSWER = JSONResponse({"detail": "no"}, 503, {"Retry-After": "1"})


def test_a_refusal_has_the_headers_of_all_answers_and_closes_the_connection() -> None:
    refusal = encode_refusal(ANSWER, [(b"vary", b"Origin"), (b"connection", b"close")], 0.5)
    head, _, body = refusal.partition(b"\r\n\r\n")
    assert statuses(refusal) == [503]
    assert body == b'{"detail":"no"}'
    for line in (
        *(b"retry-after: 1", b"content-length: 15", b"vary: Origin"),
        *(b"x-process-time: 0.500000", b"connection: close"),
    ):
        assert head.count(line) == 1
