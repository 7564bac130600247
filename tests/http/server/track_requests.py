"""Requests to /track as bytes, and a connection to a server in the event loop of the test."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.payloads import SOURCE_ID, payload
from tests.support.raw_http import WITHIN_S, RawAnswer, RawConnection, address, connected, request, statuses
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Source
from trackd.http.server.connection import Connection
from trackd.storage.store import Store

JSON = "Content-Type: application/json"


def call(session: str = "s-1", *types: str, **more: Any) -> bytes:
    """The body of a call, with one event when no types are given."""
    return json.dumps(payload(session, *(types or ("page-view",)), **more)).encode()


def post(body: bytes, *headers: str, end: str = "\r\n") -> bytes:
    """A request that takes the fast path, unless `headers` prevent it."""
    return request(body, JSON, *headers, end=end)


def chunked(body: bytes, *headers: str) -> bytes:
    """The same request, on the slow path."""
    lines = ["POST /track HTTP/1.1", "Host: x", JSON, "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def new_store() -> FaultyStore:
    return FaultyStore([Source(SOURCE_ID, "test")])


@contextlib.asynccontextmanager
async def running(store: Store | None = None, **limits: int) -> AsyncIterator[str]:
    """The URL of a server in this event loop. Closes the store."""
    async with serving(store or new_store(), Settings(limits=Limits(**limits))) as client:
        yield str(client.base_url)


@contextlib.asynccontextmanager
async def connection_to_server(store: Store | None = None, **limits: int) -> AsyncIterator[RawConnection]:
    async with running(store, **limits) as url, connected(url) as connection:
        yield connection


@contextlib.asynccontextmanager
async def deaf_client(url: str) -> AsyncIterator[socket.socket]:
    """A client that reads nothing of its own accord, with little room in the kernel."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(address(url))
        client.setblocking(False)
        yield client


async def received(client: socket.socket) -> bytes:
    """All that comes until the server closes or resets the connection."""
    chunks: list[bytes] = []
    async with asyncio.timeout(WITHIN_S):
        with contextlib.suppress(ConnectionError):
            while chunk := await asyncio.get_running_loop().sock_recv(client, 1_000_000):
                chunks.append(chunk)
    return b"".join(chunks)


async def send_apart(connection: RawConnection, pieces: Iterable[bytes]) -> None:
    """Send the pieces so that the server, which shares the event loop, receives them one by one."""
    for piece in pieces:
        await connection.send(piece)
        await asyncio.sleep(0)


def status_and_session(answer: RawAnswer) -> tuple[int, str]:
    """The status, and the session id that a 200 carries."""
    return answer.status, answer.json().get("session", {}).get("id", "")


async def statuses_of(url: str, pieces: Iterable[bytes]) -> list[int]:
    """The statuses of all answers to a client that sends these pieces and then no more."""
    async with connected(url) as connection:
        with contextlib.suppress(OSError):  # the server may have closed the connection
            await send_apart(connection, pieces)
            connection.half_close()
        return statuses(await connection.rest())


def cut(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of that size."""
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


def note_calls(monkeypatch: pytest.MonkeyPatch, method: str) -> list[Connection]:
    """A list to which each connection is added at each call of its method."""
    seen: list[Connection] = []
    replaced = getattr(Connection, method)

    def noted(self: Connection) -> Any:
        seen.append(self)
        return replaced(self)

    monkeypatch.setattr(Connection, method, noted)
    return seen
