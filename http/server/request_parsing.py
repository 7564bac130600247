"""How requests are read where uvicorn and its parser differ from RFC 9112.

- A request with a faulty head gets its own answer, in its turn (`request_head.py`).
- An offer to upgrade is ignored.
- `Expect` of a client of HTTP/1.0 is ignored.
- Trailers are dropped (`trailers.py`).
- Blanks after the value of a header do not belong to it.
"""

import re
from typing import Any, cast

import httptools
from starlette.exceptions import HTTPException
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trackd.http.body import HEADERS_BY_NAME, Headers
from trackd.http.errors import REQUEST_FAULT, HttpError
from trackd.http.middleware import path_of
from trackd.http.server.refused_requests import (
    chunk_line_too_long,
    head_too_large,
    no_tunnel,
    no_version,
    not_http,
    other_protocol,
    target_too_long,
    tls_on_plain_port,
    unsupported_version,
)
from trackd.http.server.request_head import CONNECT, check_framing, check_host, is_usual, origin_form
from trackd.http.server.trailers import Trailers

MAX_HEAD_BYTES = 65_536
MAX_LINE_BYTES = 64  # of a request line without its target
HTTP_1_0 = "1.0"
NONE_YET, HTTP_0_9 = "0.0", "0.9"  # versions that the parser also gives a line without a version
VERSION_0 = re.compile(rb" HTTP/0")
RTSP, ICE = b" RTSP/", b" ICE/"  # other protocols, which the parser accepts
MAX_KEPT_BYTES = 256  # of an incomplete head
IN_HEADER = re.compile(rb"HTTP/\d\.\d\r?\n[^\n]*\Z|[ \t:]\Z")
BLANKS = b" \t"
TLS_HANDSHAKE = b"\x16\x03"
BODY_HEADERS = {b"content-length", b"transfer-encoding"}


class RequestParsing(HttpToolsProtocol):
    """uvicorn's protocol with another reading of requests. A subclass answers those that end the connection."""

    _in_head = False  # a subclass sets it in `on_message_begin`
    _head_end = b""  # the last bytes of an incomplete head
    _suspect = b""  # the bytes that are parsed, when they may have a request line of another protocol
    _line_bytes = 0  # that arrived since the head, the beginning of a chunk, or a byte of the body
    _keeps_alive = False  # whatever the trailers are; until the head of the next request
    _chunks = 0  # of all bodies so far
    _open_chunk = 0  # the number of the chunk whose head has come and whose body has not; the last one has trailers

    def __init__(self, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.parser.set_dangerous_leniencies(lenient_version=True)

    def _refuse(self, error: HTTPException) -> None:
        """Answer with the error, after the answers to earlier requests, and read no more requests."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Replaces uvicorn's method."""
        open_chunk = self._open_chunk
        self._line_bytes += len(data)
        seen = self._head_end + data if self._head_end else data
        self._suspect = seen if RTSP in seen or ICE in seen else b""
        try:
            self._feed(data)
            if self._in_head:
                self._check_request_line(data)
            elif open_chunk and open_chunk == self._open_chunk:
                cast(Trailers, self.headers).receive(len(data))
            elif self._line_bytes > MAX_HEAD_BYTES and self.cycle is not None and self.cycle.more_body:
                raise chunk_line_too_long(MAX_HEAD_BYTES)
        except (HTTPException, httptools.HttpParserError) as error:
            self._refuse(self._refusal(error, data))

    def _feed(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while rest:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as offer:
                head_end = offer.args[0]
            rest = memoryview(rest)[head_end:]  # the parser would take a body for the next request
            if self.parser.get_method() != CONNECT:
                self._begin_without_offer()

    def _begin_without_offer(self) -> None:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True, lenient_version=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value.rstrip(BLANKS))

    def on_headers_complete(self) -> None:
        self._head_end, self._line_bytes = b"", 0
        if self._suspect:
            self._check_protocol()
        if self._keeps_alive:
            self._keeps_alive = False
            self.parser.set_dangerous_leniencies(lenient_keep_alive=False)
        by_name, version, method = dict(self.headers), self.parser.get_http_version(), self.parser.get_method()
        usual = method != CONNECT and is_usual(version, self.url, by_name, len(self.headers))
        if not usual and self.parser.should_upgrade() and method != CONNECT:
            return  # still in the head: the parser stops here, and the request is parsed once more without its offer
        headers: Headers | None = by_name if usual else self._headers_of_unusual()
        if headers is not None:
            self.scope[HEADERS_BY_NAME] = headers  # type: ignore[literal-required]
        super().on_headers_complete()
        self._in_head = False

    def _headers_of_unusual(self) -> Headers | None:
        """None when the request has a fault, which the application answers.

        Raises HttpError when the connection has to end.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        check_framing(version, self.headers)
        if version == HTTP_1_0:
            self.expect_100_continue = False  # its client would take 100 for the answer
        if method == CONNECT and not BODY_HEADERS.isdisjoint(dict(self.headers)):
            raise no_tunnel()  # the parser skips the body of no CONNECT
        try:
            self.url, host = origin_form(method, self.url)
            check_host(version, self.headers)
        except HttpError as fault:
            cast(Scope, self.scope)[REQUEST_FAULT] = fault
            self.url = path_of(self.url)
            return None
        if host is not None:  # it replaces that of the header
            self.headers[:] = [(name, host if name == b"host" else value) for name, value in self.headers]
        return dict(self.headers)

    def on_chunk_header(self) -> None:
        if not isinstance(self.headers, Trailers):  # the first chunk
            self._keeps_alive = self.parser.should_keep_alive()
            self.parser.set_dangerous_leniencies(lenient_keep_alive=self._keeps_alive)
            self._allow_any_trailer(True)
            self.headers = Trailers(MAX_HEAD_BYTES)
        self._open_chunk = self._chunks = self._chunks + 1
        self._line_bytes = 0

    def _allow_any_trailer(self, allowed: bool) -> None:
        """Without it the parser takes `Content-Length` and `Transfer-Encoding` among trailers for headers."""
        self.parser.set_dangerous_leniencies(lenient_chunked_length=allowed, lenient_transfer_encoding=allowed)

    def on_body(self, body: bytes) -> None:
        """Replaces uvicorn's method, for speed."""
        self._open_chunk = self._line_bytes = 0
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_chunk_complete(self) -> None:
        if self._open_chunk:  # it was the last chunk
            self._open_chunk = 0
            self._allow_any_trailer(False)

    def _check_request_line(self, data: bytes) -> None:
        """Raises HttpError for another version before the head is complete: the rest may never come."""
        version, end = self.parser.get_http_version(), self._head_end + data
        is_complete = version == NONE_YET and self.url and data.endswith(b"\n")
        if is_complete or version == HTTP_0_9 or not version.startswith(("0.", "1.")):
            raise unsupported_version(version)
        if self._is_line_without_version(end):
            raise no_version()
        if self._suspect:
            self._check_protocol()
        self._head_end = end[-MAX_KEPT_BYTES:]

    def _is_line_without_version(self, end: bytes) -> bool:
        """Whether a head ends so: of a later request the parser still has the version of the one before."""
        if not self.url or self.headers or not end.endswith(b"\n"):
            return False
        line, end = b"%s %s" % (self.parser.get_method(), self.url), end.rstrip(b"\r\n")
        return end.endswith(line) and not IN_HEADER.search(end.removesuffix(line))

    def _check_protocol(self) -> None:
        """Raises HttpError for a request line of another protocol that the parser accepts."""
        target_end = self.url[-MAX_LINE_BYTES:]
        if target_end + RTSP in self._suspect or target_end + ICE in self._suspect:
            raise other_protocol()

    def _bytes_of_head(self, piece: bytes) -> int:
        """How many bytes at the end of the piece are an incomplete head; 0 while its target is unknown."""
        begin = piece.rfind(b"%s %s" % (self.parser.get_method(), self.url)) if self.url else -1
        return len(piece) - begin if begin >= 0 else 0

    def _too_large_head(self) -> HttpError:
        is_target = len(self.url) > MAX_HEAD_BYTES - MAX_LINE_BYTES
        return target_too_long(MAX_HEAD_BYTES) if is_target else head_too_large(MAX_HEAD_BYTES)

    def _refusal(self, error: Exception, data: bytes) -> HTTPException:
        """The answer to a fault that ends the connection. `data` are the bytes in which it was found."""
        version = self.parser.get_http_version() if self._in_head else "1.1"
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        if isinstance(cause, HTTPException):
            is_line_without_version = version in (NONE_YET, HTTP_0_9) and not VERSION_0.search(self._head_end + data)
            return no_version() if is_line_without_version else cause
        if not version.startswith(("0.", "1.")):  # such as the preface of HTTP/2, which the parser accepts no further
            return unsupported_version(version)
        if data.startswith(TLS_HANDSHAKE):
            return tls_on_plain_port()
        return not_http(f"This is not HTTP/1.1: {error}.")
