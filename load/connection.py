"""One connection to the server: bytes out, answers in. No futures and no tasks for each call: it is the hot path."""

import asyncio
from typing import Protocol, cast

import httptools


class Owner(Protocol):
    """The receiver of a connection's events. A connection has one request in flight at a time."""

    def answered(self, connection: "Connection", status: int, body: bytes) -> None: ...

    def lost(self, connection: "Connection") -> None:
        """The connection is closed, by either side; a request in flight gets no answer."""


class Connection(asyncio.Protocol):
    retry_after: float | None  # of the last answer, in seconds

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self.retry_after = None

    def send(self, request: bytes) -> None:
        cast(asyncio.Transport, self._transport).write(request)

    def close(self) -> None:
        """Close it; bytes that were written before are still sent."""
        if self._transport is not None:
            self._transport.close()

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.lost(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:  # not HTTP
            self.close()

    def on_message_begin(self) -> None:
        self._body = b""
        self.retry_after = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after":
            self.retry_after = float(value) if value.isdigit() else 1.0

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        self._owner.answered(self, self._parser.get_status_code(), self._body)
