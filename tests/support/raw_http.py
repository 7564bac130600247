"""HTTP byte by byte: requests that an ordinary client would not send, and all bytes of the answers."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

WITHIN_S = 30.0  # for each answer, and for the end of a connection


class RawAnswer(NamedTuple):
    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """One connection of a client. Each wait for the server is bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Send the pieces one by one, so that the server may see them one by one."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self) -> RawAnswer:
        """The next answer, whole."""
        async with asyncio.timeout(WITHIN_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            return RawAnswer(head, await self.reader.readexactly(int(length[1]) if length else 0))

    async def ask(self, *pieces: bytes) -> RawAnswer:
        await self.send(*pieces)
        return await self.answer()

    async def rest(self) -> bytes:
        """All that comes until the server closes or resets the connection."""
        received = b""
        async with asyncio.timeout(WITHIN_S):
            with contextlib.suppress(ConnectionError):
                while chunk := await self.reader.read(65_536):
                    received += chunk
        return received

    def half_close(self) -> None:
        """The client sends no more, and still reads."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Close without waiting for anything that is not sent or not read."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


async def connect(url: str) -> RawConnection:
    return RawConnection(*await asyncio.open_connection(*address(url)))


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[RawConnection]:
    connection = await connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def exchange(url: str, sent: bytes) -> bytes:
    """Send, and return all that comes back until the server closes."""
    received = b""
    with socket.create_connection(address(url), timeout=WITHIN_S) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(sent)
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def request(body: bytes, *headers: str, line: str = "POST /track HTTP/1.1", end: str = "\r\n") -> bytes:
    """A request with its length; `headers` are lines such as "Connection: close"."""
    return end.join([line, "Host: x", *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body


def statuses(received: bytes) -> list[int]:
    """The statuses of the answers, one after the other."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
