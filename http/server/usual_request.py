"""Usual requests to `/track`, calls and preflights that arrive whole with a plain head, are read without the parser.

The parser reads all others. What is read here it would read alike: no byte of a head, no header and no length that
servers and proxies may understand differently is taken.
"""

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote

from trackd.http.body import Headers
from trackd.http.server.request_head import is_host

MAX_HEAD_BYTES = 8_192
MAX_LENGTH_DIGITS = 7
PRINTABLE = bytes(range(0x20, 0x7F))
TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
NO_NAME = b""
MAX_NAMES, MAX_NAME_BYTES = 1_024, 64
HEAD_END = b"\r\n\r\n"
UNUSUAL_HEADERS = {b"content-encoding", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade"}
KEEPS_ALIVE = {b"keep-alive": True, b"close": False}
PREFLIGHT_HEADERS = {b"origin", b"access-control-request-method"}
NO_HOST = b"/"


class HeaderNames(dict[bytes, bytes]):
    """Names of headers in lower case, by their spelling; `NO_NAME` for what is none. The latest ones are kept."""

    def __missing__(self, spelling: bytes) -> bytes:
        name = spelling.lower()
        if name.translate(None, TOKEN):
            name = NO_NAME
        if len(self) >= MAX_NAMES:
            self.clear()  # a client that makes up names must not displace the usual ones for ever
        if len(spelling) <= MAX_NAME_BYTES:
            self[spelling] = name
        return name


NAMES = HeaderNames()


class UsualRequest(NamedTuple):
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
        head = data[:end]
        first, *lines = head.split(b"\r\n")
        if (line := self._lines.get(first)) is None or head.translate(None, PRINTABLE) != b"\r\n" * len(lines):
            return None
        headers = {}
        try:
            for each in lines:
                name, value = each.split(b": ", 1)
                headers[NAMES[name]] = value.lstrip()
        except ValueError:
            return None
        if len(headers) != len(lines) or NO_NAME in headers:
            return None
        is_call, keeps_alive = line
        body, length = data[end + len(HEAD_END) :], headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS or int(length) != len(body):
            return None
        if not UNUSUAL_HEADERS.isdisjoint(headers) or not is_host(headers.get(b"host", NO_HOST)):
            return None
        if (connection := headers.get(b"connection")) is not None:
            asked = KEEPS_ALIVE.get(connection.lower())
            if asked is None:
                return None
            keeps_alive = keeps_alive and asked
        if not is_call and (body or not headers.keys() >= PREFLIGHT_HEADERS):
            return None
        return UsualRequest(is_call, headers, body, keeps_alive)
