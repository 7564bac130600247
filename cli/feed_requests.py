"""Requests for the feed of a server: an answer is lines of JSON, and each error is a sentence."""

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import urlencode

import msgspec

from trackd.cli.errors import CommandError
from trackd.cli.newest_records import LostPositionError
from trackd.load.address import connection_fault
from trackd.load.target import Target
from trackd.storage.feed import FeedFilter

SILENT_S = 45.0  # the server sends its position every 15 seconds
MAX_LINE = 64 * 2**20  # bytes
MAX_ERROR = 65_536  # bytes of an error
AWAY = (429, 502, 503, 504)
LINES = "application/x-ndjson"


class AwayError(Exception):
    """The server does not answer, or not now."""

    def __init__(self, reason: str, retry_after_s: float = 0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class FeedRequests:
    """Asks one server for what matches. All methods raise AwayError and CommandError."""

    def __init__(self, target: Target, token: str | None, matching: FeedFilter) -> None:
        self.url = target.url
        self._target = target
        self._token = token
        fields = msgspec.to_builtins(matching) | {"kinds": ",".join((*matching.kinds, "position"))}
        self._query = {name: value for name, value in fields.items() if value is not None}

    def lines(self, after: str | None, wait_s: int, newest: int = 0) -> Iterator[bytes]:
        """The lines after a position, and those that come while fewer than `wait_s` seconds pass without any.

        Without a position they are those of so many of the newest events, and those that follow. Raises
        LostPositionError.
        """
        begin = {"newest": newest} if newest else {}
        query = self._query | {"wait": wait_s} | (begin if after is None else {"after": after})
        connection = self._connection()
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"{self._target.path}/feed?{urlencode(query)}", headers=self._headers())
                answer = connection.getresponse()
                self._check(answer)
                while line := answer.readline(MAX_LINE):
                    if not line.endswith(b"\n"):
                        raise AwayError(f"the answer of {self.url} is cut off")
                    yield line[:-1]
            except (OSError, http.client.HTTPException) as error:
                raise AwayError(f"{self.url} cannot be read ({_reason(error)})") from None

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._target.host, self._target.port
        if self._target.tls:
            return http.client.HTTPSConnection(host, port, timeout=SILENT_S, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=SILENT_S)

    def _headers(self) -> dict[str, str]:
        headers = {"Host": self._target.authority, "Accept": LINES, "User-Agent": "trackd tail"}
        return headers if self._token is None else {**headers, "Authorization": f"Bearer {self._token}"}

    def _check(self, answer: http.client.HTTPResponse) -> None:
        """Nothing for lines; every other answer is an error."""
        if answer.status == 200 and answer.headers.get_content_type() == LINES:
            return
        detail = _detail(answer.read(MAX_ERROR))
        match answer.status:
            case 200:
                fault = f"{self.url} sends no lines of a feed: name the address of trackd."
            case 401 if answer.headers.get("www-authenticate") != "Bearer":  # a page of trackd, or another server
                fault = f"{self.url} answers 401, but not as a feed of trackd does: name the address of trackd."
            case 401 if self._token is None:
                fault = f"{self.url} asks for a token: set TRACKD_TOKEN, or name one with --token."
            case 401:
                fault = f"{self.url} does not accept the token: it is unknown, expired or revoked."
            case 403:
                fault = f"{self.url} does not allow this token to read: it needs the scope read."
            case 404:
                fault = f"There is no feed at {self.url}: name the address of trackd, in a version that has feeds."
            case 410:
                reason = str(detail.get("reason") if isinstance(detail, dict) else detail).partition(":")[0]
                raise LostPositionError(
                    f"Cannot go on at {self.url}: {reason[:1].lower()}{reason[1:]}; --after 0 begins with the oldest."
                )
            case status if 300 <= status < 400:
                fault = f"{self.url} leads to {answer.headers.get('location', 'another address')}: name that address."
            case status if status in AWAY:
                after = answer.headers.get("retry-after", "")
                seconds = float(after) if after.isascii() and after.isdigit() else 0.0
                raise AwayError(f"{self.url} answers {status} ({_shown(detail)})", seconds)
            case status:
                fault = f"{self.url} answers {status}: {_shown(detail)}."
        raise CommandError(fault)


def _detail(body: bytes) -> object:
    """The `detail` of an error of trackd."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return "no JSON"
    return document.get("detail") if isinstance(document, dict) else document


def _shown(detail: object) -> str:
    if isinstance(detail, list):
        faults = [each.get("msg") for each in detail if isinstance(each, dict)]
        detail = "; ".join(map(str, faults))
    return str(detail).rstrip(".")


def _reason(error: Exception) -> str:
    return connection_fault(error) if isinstance(error, OSError) else type(error).__name__
