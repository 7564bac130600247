"""Usual requests: which are read without the parser, and that the parser reads them alike."""

from itertools import product

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.server.track_requests import call, post
from tests.support.raw_http import request
from trackd.http.body import Headers
from trackd.http.paths import paths_of
from trackd.http.server import usual_request
from trackd.http.server.request_head import MAX_HEADERS
from trackd.http.server.usual_request import (
    LINE,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    MAX_LINES,
    HeaderLines,
    UsualRequest,
    UsualRequests,
)

REQUESTS = UsualRequests(paths_of("/track", "/events"))
BODY = call()
BROWSER = (
    "Origin: https://shop.example",
    "Referer: https://shop.example/a?b=c",
    'sec-ch-ua: "Chromium";v="130", "Not_A Brand";v="24"',
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    "Cookie: a=b; c=d",
    "X-Forwarded-For: 203.0.113.7",
)
ASKS = ("Origin: https://shop.example", "Access-Control-Request-Method: POST")


class Parsed:
    """What the parser makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.target, self.headers, self.body, self.messages = b"", [(b"", b"")][:0], b"", 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.method = self._parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.keeps_alive = self._parser.get_http_version() == "1.1" and self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


def check_alike(found: UsualRequest, data: bytes) -> None:
    parsed = Parsed(data)
    assert parsed.messages == 1
    assert (parsed.method, parsed.target.partition(b"?")[0]) in [
        (b"POST" if found.is_call else b"OPTIONS", path.encode()) for path in paths_of("/track", "/events")
    ]
    headers: Headers = dict(parsed.headers)
    assert len(headers) == len(parsed.headers)
    assert (found.headers, found.body, found.keeps_alive) == (headers, parsed.body, parsed.keeps_alive)


@pytest.mark.parametrize(
    "data",
    [
        post(BODY),
        post(BODY, *BROWSER),
        post(BODY, "Connection: Keep-Alive"),
        post(BODY, "Connection: close"),
        post(b""),
        post(BODY, "X: ends with a space ", "Name:  value", "Empty: "),
        post(BODY, f"X-Long: {'x' * 7_000}"),
        request(BODY, line="POST /events/track/ HTTP/1.1"),
        request(BODY, "Connection: keep-alive", line="POST /track HTTP/1.0"),
        request(b"", *ASKS, line="OPTIONS /track HTTP/1.1"),
        request(BODY, line="POST /track?s=a-%C3%BC&b=c HTTP/1.1"),
        request(BODY, line="POST /track? HTTP/1.1"),
        "\r\n".join(["OPTIONS /track HTTP/1.1", "Host: x", *ASKS, "", ""]).encode(),
    ],
)
def test_requests_of_usual_clients_are_read_as_the_parser_reads_them(data: bytes) -> None:
    found = REQUESTS.read(data)
    assert found is not None
    check_alike(found, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        post(BODY)[:-1],
        post(BODY) + b"\r\n",
        post(BODY) * 2,
        b"\r\n" + post(BODY),
        post(BODY, end="\n"),
        post(BODY).replace(b"Host", b"Content-Length: 5\r\nHost"),
        post(BODY, "Host: x"),
        post(BODY).replace(b"Host: x\r\n", b""),
        post(BODY).replace(b"Host: x", b"Host: x y"),
        post(BODY, "Transfer-Encoding: chunked"),
        post(BODY, "Content-Encoding: gzip"),
        post(BODY, "Expect: 100-continue"),
        post(BODY, "Upgrade: h2c"),
        post(BODY, "Proxy-Connection: close"),
        post(BODY, "Connection: keep-alive, close"),
        post(BODY, "X-Forwarded-For: 1.2.3.4", "x-forwarded-for: 5.6.7.8"),
        post(BODY, "Name : value"),
        post(BODY, "Name"),
        post(BODY, "Name:"),
        post(BODY, "Name:value"),
        post(BODY, "Name: a\tb"),
        post(BODY, "N\xe4me: value"),
        post(BODY, "N(ame: value"),
        post(BODY, ": value"),
        post(BODY, "X: folded", "\tline"),
        post(BODY, "X: a\rb"),
        post(BODY, "X: a\nb: c"),
        post(BODY, "X: a\0b"),
        post(BODY, "X: ä"),
        post(BODY, f"X-Long: {'x' * MAX_HEAD_BYTES}"),
        post(BODY, *(f"X-{number}: 1" for number in range(MAX_HEADERS))),
        post(BODY).replace(b"Content-Length: ", b"Content-Length: +"),
        request(BODY, line="POST /track?a=/ HTTP/1.1"),
        request(BODY, line="POST?a /track HTTP/1.1"),
        request(BODY, line="POST? /track HTTP/1.1"),
        request(BODY, line="POST /track?a /track HTTP/1.1"),
        request(BODY, line="POST /track HTTP/1.1?a HTTP/1.1"),
        request(BODY, line="POST http://x/track HTTP/1.1"),
        request(BODY, line="POST /track HTTP/1.2"),
        request(BODY, line="POST  /track HTTP/1.1"),
        request(BODY, line="GET /track HTTP/1.1"),
        request(b"", line="OPTIONS /track HTTP/1.1"),
        request(BODY, *ASKS, line="OPTIONS /track HTTP/1.1"),
    ],
)
def test_other_requests_are_left_to_the_parser(data: bytes) -> None:
    assert REQUESTS.read(data) is None


PIECES = [
    b" ",
    b"\t",
    b"\r",
    b"\n",
    b"\r\n",
    b":",
    b": ",
    b"\0",
    b"\xff",
    b"0",
    b"5",
    b"x",
    b"Content-Length: 5\r\n",
    b"--",
    b"?",
    b"?a=b",
    b" HTTP/1.1",
]
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.sampled_from(PIECES)), max_size=3)
FULL = post(b"12345", *BROWSER[:3])


@settings(max_examples=300)
@given(CHANGES)
def test_what_is_read_the_parser_reads_alike_whatever_bytes_are_changed(changes: list[tuple[int, int, bytes]]) -> None:
    data = FULL
    for place, removed, added in changes:
        data = data[:place] + added + data[place + removed :]
    if (found := REQUESTS.read(data)) is not None:
        check_alike(found, data)


@pytest.mark.parametrize(
    "data",
    [
        request(b"5", line="POST /track HTTP/1.1"),
        request(b"5", "Connection: close", line="POST /track?a=b HTTP/1.0"),
        request(b"", *ASKS, line="OPTIONS /events/track/ HTTP/1.1"),
    ],
)
def test_what_is_read_the_parser_reads_alike_whatever_stands_at_any_place(data: bytes) -> None:
    read = 0
    for place, removed, added in product(range(len(data) + 1), range(3), PIECES):
        changed = data[:place] + added + data[place + removed :]
        if (found := REQUESTS.read(changed)) is not None:
            check_alike(found, changed)
            read += 1
    assert read


def test_few_lines_are_remembered_and_none_that_is_long() -> None:
    lines, long = HeaderLines(), b"Cookie: " + b"x" * MAX_LINE_BYTES
    for number in range(3 * MAX_LINES):
        assert lines[b"Name: %d" % number] == (b"name", b"%d" % number)
        assert len(lines) <= MAX_LINES
        assert len(lines._older) <= MAX_LINES
    assert lines[long] == (b"cookie", b"x" * MAX_LINE_BYTES)
    assert long not in lines


def test_lines_that_a_client_makes_up_do_not_displace_those_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, read = HeaderLines(), list[bytes]()
    match = LINE.fullmatch

    class Noting:
        def fullmatch(self, line: bytes) -> object:
            read.append(line)
            return match(line)

    monkeypatch.setattr(usual_request, "LINE", Noting())
    for number in range(5 * MAX_LINES):
        assert lines[b"X-%d: made up" % number] == (b"x-%d" % number, b"made up")
        if number % 100 == 0:
            assert lines[b"Host: shop.example"] == (b"host", b"shop.example")
    assert read.count(b"Host: shop.example") == 1
