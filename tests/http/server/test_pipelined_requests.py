"""Requests of all kinds on one connection, cut anywhere: each gets the status that it gets alone, in their order."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.http.server.track_requests import JSON, call, post, running, statuses_of

HEALTH = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
LINES = [
    *["POST /track HTTP/1.1"] * 6,
    *["GET /healthcheck HTTP/1.1"] * 3,
    "POST /track HTTP/1.0",
    "POST http://host/track HTTP/1.1",
    "POST http://host:99999/track HTTP/1.1",
    "POST /track?a=caf\xe9#b HTTP/1.2",
    "HEAD /healthcheck HTTP/1.1",
    "PUT /profile/%zz%00 HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET * HTTP/1.1",
    "GET http://host HTTP/1.1",
    "CONNECT host:443 HTTP/1.1",
    "CONNECT /healthcheck HTTP/1.1",
    "BREW /pot HTTP/1.1",
    "GET /healthcheck HTTP/2.0",
    "GET /healthcheck",
    "GET  /healthcheck  HTTP/1.1",
]
HEADERS = [
    "Connection: close",
    "Connection: Upgrade",
    "Upgrade: h2c",
    "Origin: https://shop.example",
    "Content-Encoding: identity",
    "Content-Encoding: gzip",
    "Content-Type: image/png",
    "X-Forwarded-For: 1.2.3.4",
    "Host: y",
    "Folded: a\r\n b",
    "No colon",
    "Empty:",
]
TRAILERS = ["X-Forwarded-For: 6.6.6.6", "Connection: close", "Host: z", "Transfer-Encoding: gzip", "no trailer"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, more often sound than not, whose line, headers, framing and trailers do not depend on each other."""
    line = draw(st.sampled_from(LINES))
    host = draw(st.sampled_from([*[["Host: x"]] * 9, [], ["Host: a b"]]))
    headers = [*host, JSON, *draw(st.lists(st.sampled_from(HEADERS), max_size=2))]
    body = draw(st.sampled_from([b"", call("s-1"), call("s-2"), b"no JSON", HEALTH]))
    coding = draw(st.sampled_from(["length", "length", "chunked", "chunked", "gzip, chunked", "gzip"]))
    if coding == "length":
        headers.append(f"Content-Length: {len(body)}")
    else:
        headers.append(f"Transfer-Encoding: {coding}")
        trailers = draw(st.lists(st.sampled_from(TRAILERS), max_size=1))
        parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]) if part]
        body = b"".join([*parts, b"0\r\n", *(f"{trailer}\r\n".encode() for trailer in trailers), b"\r\n"])
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1") + body


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with running() as url:
        yield url


ALONE: dict[bytes, tuple[int, bool]] = {}


async def alone(url: str, request: bytes) -> tuple[int, bool]:
    """The status that a request gets on a connection of its own, and whether the connection goes on after it."""
    if request not in ALONE:
        status, *others = await statuses_of(url, [request + HEALTH])
        assert others in ([], [200])
        ALONE[request] = status, bool(others)
    return ALONE[request]


async def alone_in_order(url: str, sent: list[bytes]) -> list[int]:
    expected = []
    for request in sent:
        status, goes_on = await alone(url, request)
        expected.append(status)
        if not goes_on:
            break
    return expected


@settings(max_examples=20)
@given(sent=st.lists(requests(), min_size=1, max_size=6), cuts=st.lists(st.integers(1, 2_000), max_size=12))
@example(sent=[HEALTH, b"CONNECT a:443 HTTP/1.1\r\n\r\n", post(call())], cuts=[])
@example(sent=[post(call()), b"GET http://a HTTP/1.1\r\nHost: x\r\n\r\n", post(call())], cuts=[400])
async def test_each_request_gets_the_status_that_it_gets_alone(sent: list[bytes], cuts: list[int], url: str) -> None:
    expected = await alone_in_order(url, sent)
    assert await statuses_of(url, [b"".join(sent)]) == expected
    answered = b"".join(sent[: len(expected)])  # what is sent after the server has closed may reset the connection
    ends = sorted({0, len(answered), *(cut for cut in cuts if cut < len(answered))})
    assert await statuses_of(url, [answered[begin:end] for begin, end in pairwise(ends)]) == expected
