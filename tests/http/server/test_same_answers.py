"""Any requests are answered and stored alike on the fast path and on the slow path: status, headers and body."""

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.server.both_paths import masked
from tests.http.server.track_requests import call, new_store, send_apart
from tests.support.faulty_store import FaultyStore
from tests.support.raw_http import connected
from tests.support.serving import serving
from trackd.config.settings import Limits, Privacy, Settings
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.usual_request import UsualRequests

Servers = list[tuple[FaultyStore, httpx.AsyncClient]]
ANSWER = re.compile(rb"HTTP/1\.1 (\d+) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
COUNTED = re.compile(r'^trackd_(?:calls|refused_requests)_total\{.*?status="([45]\d\d)"\} ([1-9]\d*)', re.MULTILINE)
OTHER_EACH_TIME = {"x-process-time", "date"}

LINES = [
    *["POST /track HTTP/1.1"] * 8,
    "POST /track/ HTTP/1.1",
    "POST /track?a=b HTTP/1.1",
    "POST /track%2F HTTP/1.1",
    "POST /%74rack HTTP/1.1",
    "POST?a /track HTTP/1.1",
    "POST /track HTTP/1.0",
    "POST http://shop.example/track HTTP/1.1",
    "POST /track HTTP/1.2",
    "POST /trackd HTTP/1.1",
    "PUT /track HTTP/1.1",
    "GET /track HTTP/1.1",
    "OPTIONS /track HTTP/1.1",
    "OPTIONS /track HTTP/1.0",
    "OPTIONS /track?a=b HTTP/1.1",
    "CONNECT /track HTTP/1.1",
]
PREFLIGHT = ["Origin: https://shop.example", "Access-Control-Request-Method: POST"]
HEADERS = [
    "Content-Type: application/json",
    "Content-Type: text/plain;charset=UTF-8",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Type: text/css",
    "Origin: https://shop.example",
    "Origin: null",
    "Origin:",
    "Origin: ",
    "Origin: https://shop.example ",
    "Origin: https://sh\xf6p.example",
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "User-Agent: \xe4\xf6\xfc",
    "Referer: https://shop.example/a?b=c",
    "Accept-Language: de-DE,de;q=0.9",
    "Cookie: a=b; c=d",
    "Sec-Fetch-Mode: no-cors",
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-For: unknown, 203.0.113.8, 127.0.0.1",
    "X-Forwarded-For: nobody",
    "X-Forwarded-For: 203.0.113.9 ",
    "X-Forwarded-For:  [2001:db8::1]:443",
    "X-Forwarded-For: ",
    "X-Forwarded-Proto: https",
    "Via: 1.1 edge",
    "Connection: keep-alive",
    "Connection: close",
    "Connection: Upgrade",
    "Upgrade: h2c",
    "Idempotency-Key: k-1",
    "Idempotency-Key: null",
    "Idempotency-Key: " + "k" * 300,
    "X-Timestamp: 2026-01-31T12:00:00Z",
    "X-Timestamp: soon",
    "Content-Encoding: identity",
    "Content-Encoding: br",
    "Expect: 100-continue",
    "Access-Control-Request-Method: POST",
    "Access-Control-Request-Method: BREW",
    "Access-Control-Request-Headers: content-type, x-timestamp",
    "Access-Control-Request-Private-Network: true",
    "Host: shop.example",
    "Content-Length: 5",
    "Content-Type: application/json ",
    "Content-Type: ",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "X-Name : value",
    "X-Folded: a\r\n b",
    "X-Spaces: \t a \t",
    "X-Odd: a\x01b",
    "X-Odd: a\x00b",
    "X-Odd: a\x7fb",
    "X-Odd:",
    "X-Odd: ",
    "X-Odd: a\rb",
    "X(Odd): a",
    ": a",
    " X-Odd: a",
    "\r\n".join(f"X-{number}: a" for number in range(250)),
    "X-Long: " + "a" * 9_000,
    "no colon",
]
BODIES = [
    call("s-1"),
    call("s-2", "a", "b", "b"),
    call("s-3", properties={"text": "x" * 2_000}),
    b"{",
    b"",
    b"[" * 200,
    b'\xef\xbb\xbf{"source": {"id": 1}, "events": 7}',
    call("s-4", source="nobody"),
    call("undefined"),
    call("s-5", *["t"] * 60),
]
ODD_HOSTS = ["x", " x ", "\tx", "", " ", " x y", " x:80", " x:99999", " [::1]", " \xe4", " a,b", " user@x"]
ODD_LENGTHS = ["{}", " {} ", " 0{}", " +{}", " -{}", " {0}, {0}", " 0x{}", " {}.0", "", " 1{}", " 1", " {:030}"]
CASES: list[Callable[[str], str]] = [str, str.lower, str.upper, str.title]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    line, body = draw(st.sampled_from(LINES)), draw(st.sampled_from(BODIES))
    headers = draw(st.lists(st.sampled_from(HEADERS), max_size=5))
    if line.startswith("OPTIONS"):
        headers, body = headers + PREFLIGHT, b""
    if draw(st.booleans()):
        headers = [header for header in headers if header in HEADERS[:4] or header[:2] in ("Us", "Or", "Re", "X-")]
    host, length = draw(st.sampled_from([" x"] * 20 + ODD_HOSTS)), draw(st.sampled_from([" {}"] * 20 + ODD_LENGTHS))
    headers.append(f"Host:{host}")
    if not draw(st.integers(0, 4)):
        headers.append("Transfer-Encoding: chunked")
        body = draw(st.sampled_from([b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n", body]))
    else:
        headers.append(f"Content-Length:{length.format(len(body))}")
    if draw(st.integers(0, 5)):
        headers.insert(0, HEADERS[0])
        headers = list({header.partition(":")[0]: header for header in headers}.values())
    lines = []
    for header in draw(st.permutations(headers)):
        name, colon, value = header.partition(":")
        lines.append(draw(st.sampled_from(CASES))(name) + colon + value)
    end = draw(st.sampled_from(["\r\n"] * 9 + ["\n"]))
    return end.join([line, *lines, "", ""]).encode("latin-1") + body


CUTS = st.lists(st.integers(1, 3_000), max_size=4)


@contextlib.contextmanager
def slow_path_alone() -> Iterator[None]:
    with (
        patch.object(UsualRequests, "read", lambda *_: None),
        patch.object(TrackConnection, "_fast_path_headers", lambda *_: None),
    ):
        yield


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[Servers]:
    wanted = Settings(
        limits=Limits(max_events=50, client_calls_per_s=0, client_events_per_s=0),
        privacy=Privacy(user_agent=True, referrer=True, ip="full"),
    )
    stores = [new_store(), new_store()]
    async with serving(stores[0], wanted, admin=True) as first, serving(stores[1], wanted, admin=True) as second:
        yield [(stores[0], first), (stores[1], second)]


def answers(received: bytes) -> list[Any]:
    found = []
    while received:
        head = ANSWER.match(received)
        assert head, received
        headers = [line.partition(": ") for line in head[2].decode("latin-1").splitlines()]
        kept = sorted((name, value) for name, _, value in headers if name not in OTHER_EACH_TIME)
        names = sorted(name for name, _, _ in headers)
        length = int(dict(kept).get("content-length", "0"))
        end = head.end() + length
        found.append((int(head[1]), names, kept, masked(received[head.end() : end].decode())))
        received = received[end:]
    return found


async def counted(client: httpx.AsyncClient) -> Counter[int]:
    """The errors that were answered so far, by status."""
    page = (await client.get("/metrics")).text
    return sum((Counter({int(status): int(number)}) for status, number in COUNTED.findall(page)), Counter[int]())


async def seen(store: FaultyStore, client: httpx.AsyncClient, pieces: list[bytes]) -> tuple[Any, list[str]]:
    """The answers, and the events that were stored. Each error is counted once."""
    stored, before = len(store.events), await counted(client)
    async with connected(str(client.base_url)) as connection:
        with contextlib.suppress(OSError):  # the server may have closed the connection
            await send_apart(connection, pieces)
            connection.half_close()
        received = answers(await connection.rest())
    errors = Counter(status for status, *_ in received if status >= 400)
    assert await counted(client) - before == errors, pieces
    return received, [masked(repr(event)) for event in store.events[stored:]]


async def check(servers: Servers, sent: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    pieces = [sent[begin:end] for begin, end in pairwise(places)]
    fast = await seen(*servers[0], pieces)
    with slow_path_alone():
        assert fast == await seen(*servers[1], pieces), sent
    assert fast[0] or not fast[1], sent  # a body that is too short has no answer


@settings(max_examples=80)
@given(sent=st.lists(requests(), min_size=1, max_size=3), cuts=CUTS)
async def test_any_requests_are_answered_alike(servers: Servers, sent: list[bytes], cuts: list[int]) -> None:
    await check(servers, b"".join(sent), cuts)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@settings(max_examples=1_000)
@given(sent=st.lists(requests(), min_size=1, max_size=4), cuts=CUTS)
async def test_thousands_of_lists_of_requests_are_answered_alike(
    servers: Servers, sent: list[bytes], cuts: list[int]
) -> None:
    await check(servers, b"".join(sent), cuts)
