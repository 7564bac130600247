"""Usual requests to `/track`, calls and preflights that arrive whole with a plain head, are read without the parser.

The parser reads all others. What is read here it would read alike: no byte of a head, no header and no length that
servers and proxies may understand differently is taken.
"""

import re
from collections.abc import Collection
from urllib.parse import quote

from msgspec import Struct

from trackd.http.body import Headers
from trackd.http.server.request_head import MAX_HEADERS, is_host

MAX_HEAD_BYTES = 8_192
MAX_LENGTH_DIGITS = 7
QUERY = re.compile(rb"\?[-A-Za-z0-9._~%=&+]*+(?= HTTP/)")  # without meaning here: load balancers read it
LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++): ++([ -~]*+)")
NO_NAME = b""
NO_HEADER = NO_NAME, b""
MAX_LINES, MAX_LINE_BYTES = 2_048, 256
HEAD_END = b"\r\n\r\n"
UNUSUAL_HEADERS = {b"content-encoding", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade"}
KEEPS_ALIVE = {b"keep-alive": True, b"close": False}
PREFLIGHT_HEADERS = {b"origin", b"access-control-request-method"}
NO_HOST = b"/"


class HeaderLines(dict[bytes, tuple[bytes, bytes]]):
    """Lines of heads, each with its name in lower case and its value; NO_HEADER for one that is not usual.

    Most lines of a request were in others before, of any client. When there are too many they become the older ones,
    in place of those before them: lines that a client makes up displace none that is used often.
    """

    def __init__(self) -> None:
        self._older: dict[bytes, tuple[bytes, bytes]] = {}

    def __missing__(self, line: bytes) -> tuple[bytes, bytes]:
        header = self._older.get(line)
        if header is None:
            found = LINE.fullmatch(line)
            header = (found[1].lower(), found[2].rstrip()) if found else NO_HEADER
        if len(line) <= MAX_LINE_BYTES:
            if len(self) >= MAX_LINES:
                self._older = dict(self)
                self.clear()
            self[line] = header
        return header


HEADER_OF = HeaderLines().__getitem__


class UsualRequest(Struct, frozen=True):
    is_call: bool
    """Whether it is a POST; otherwise it is a preflight."""
    headers: Headers
    body: bytes
    keeps_alive: bool
    """Whether the client may send another request on the connection."""


class UsualRequests:
    """Reads the usual requests to the endpoint that has these paths."""

    def __init__(self, paths: Collection[str]) -> None:
        self._lines = {
            f"{method} {path} HTTP/{version}".encode(): (method == "POST", version == "1.1")
            for path in paths
            if path == quote(path)
            for method in ("POST", "OPTIONS")
            for version in ("1.0", "1.1")
        }

    def read(self, data: bytes) -> UsualRequest | None:
        """The request when `data` is exactly one that is usual; otherwise None."""
        if (end := data.find(HEAD_END, 0, MAX_HEAD_BYTES)) < 0:
            return None
        first, *lines = data[:end].split(b"\r\n")
        if (line := self._lines.get(first)) is None:
            line = self._lines.get(QUERY.sub(b"", first, count=1))
        if line is None or len(lines) > MAX_HEADERS:
            return None
        headers = dict(map(HEADER_OF, lines))
        if len(headers) != len(lines) or NO_NAME in headers:
            return None
        is_call, keeps_alive = line
        body, length = data[end + len(HEAD_END) :], headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS or int(length) != len(body):
            return None
        if not headers.keys().isdisjoint(UNUSUAL_HEADERS) or not is_host(headers.get(b"host", NO_HOST)):
            return None
        if (connection := headers.get(b"connection")) is not None:
            asked = KEEPS_ALIVE.get(connection.lower())
            if asked is None:
                return None
            keeps_alive = keeps_alive and asked
        if not is_call and (body or not headers.keys() >= PREFLIGHT_HEADERS):
            return None
        return UsualRequest(is_call, headers, body, keeps_alive)
