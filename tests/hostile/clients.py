"""Hostile clients of a server: each kind of them is a function, which plays the life of one connection.

A new kind is a function below `@kind(...)`: the tests of `tests/faults/test_hostile_clients.py` and the mix of
`python -m tests.hostile` play it too.
"""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.support.payloads import SOURCE_ID

PIECE_BYTES = 16_384
HOLD_S = 300.0  # longer than a server should put up with
LITTLE = 4_096  # of the kernel's memory for answers that are not read


class Target:
    """The server, and the bytes that all its hostile clients together may send in a second."""

    def __init__(self, address: tuple[str, int], bytes_per_s: float) -> None:
        self._address = address
        self._bytes_per_s = bytes_per_s
        self._next = 0.0
        self.sent_bytes = 0

    async def open(self, host: str) -> "Client":
        """Connect from one of the addresses of this machine."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        try:
            connection.bind((host, 0))
            await asyncio.get_running_loop().sock_connect(connection, self._address)
        except BaseException:
            connection.close()
            raise
        return Client(connection, self)

    async def allow(self, size: int) -> None:
        """Wait until so many bytes may be sent."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next)
        self._next = begin + size / self._bytes_per_s
        if begin > now:
            await asyncio.sleep(begin - now)
        self.sent_bytes += size


class Client:
    def __init__(self, connection: socket.socket, target: Target) -> None:
        self._connection = connection
        self._target = target

    async def send(self, data: bytes) -> None:
        for begin in range(0, len(data), PIECE_BYTES):
            piece = data[begin : begin + PIECE_BYTES]
            await self._target.allow(len(piece))
            await asyncio.get_running_loop().sock_sendall(self._connection, piece)

    async def trickle(self, pieces: Iterable[bytes], pause_s: float) -> None:
        for piece in pieces:
            await self.send(piece)
            await asyncio.sleep(pause_s)

    async def read(self) -> bytes:
        """Some bytes; none when the server has closed."""
        return await asyncio.get_running_loop().sock_recv(self._connection, 65_536)

    async def read_to_the_end(self) -> None:
        while await self.read():
            pass

    async def hold(self) -> None:
        """Neither send nor read, until the server has had to do something about it."""
        await asyncio.sleep(HOLD_S)

    def close(self) -> None:
        self._connection.close()

    def abort(self) -> None:
        """Close with a reset: the kernel does not keep the port for a minute."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()


Life = Callable[[Client], Awaitable[None]]


class Kind(NamedTuple):
    name: str
    connections: int
    life: Life
    addresses: int


KINDS: dict[str, Kind] = {}
RULES = Path(__file__).with_name("rules.toml")
"""The rules of the server: some kinds send events that take much work under them."""


def kind(connections: int, addresses: int = 1) -> Callable[[Life], Life]:
    """Register the life of a connection. So many are open at once, from so many addresses, when it is played alone."""

    def register(life: Life) -> Life:
        name = getattr(life, "__name__", "").replace("_", " ")
        KINDS[name] = Kind(name, connections, life, addresses)
        return life

    return register


async def attack(target: Target, kinds: Iterable[Kind], share: float = 1.0) -> None:
    """Play these kinds, each with a share of its connections, until it is cancelled."""
    lives = [
        (each.life, _host(number % each.addresses))
        for each in kinds
        for number in range(max(1, int(each.connections * share)))
    ]
    await asyncio.gather(*(_again_and_again(target, life, host) for life, host in lives))


def _host(number: int) -> str:
    return f"127.0.{number // 250}.{number % 250 + 1}"


async def _again_and_again(target: Target, life: Life, host: str) -> None:
    while True:
        with contextlib.suppress(OSError):
            client = await target.open(host)
            try:
                await life(client)
            except asyncio.CancelledError:  # at the end of the attack
                client.abort()
                raise
            finally:
                client.close()
        await asyncio.sleep(0.1)  # after a refusal at once


def call(events: int, session: str = "hostile", event_type: str = "t", **properties: object) -> bytes:
    event = {"type": event_type, "properties": properties} if properties else {"type": event_type}
    body = {"source": {"id": SOURCE_ID}, "session": {"id": session}, "events": [event] * events}
    return json.dumps(body, separators=(",", ":")).encode()


def post(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST /track HTTP/{version}", "Host: x", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: x", *headers, "", ""]).encode()


BUNDLE = get("/docs/swagger-ui-bundle.js")
LARGE = post(call(1) + b" " * 1_000_000)
FULL = post(call(1_000, text="x" * 950))
COMPRESSED = post(gzip.compress(call(1_000, text="x" * 950)), "Content-Encoding: gzip")
MANY_EVENTS = post(call(1_000, session="s" * 255))
CHUNKED = "\r\n".join(["POST /track HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "", ""]).encode()


@kind(600)
async def requests_behind_an_unread_answer(client: Client) -> None:
    await client.send(BUNDLE + get("/") * 995)
    await client.hold()


@kind(600)
async def calls_behind_an_unread_answer(client: Client) -> None:
    await client.send(BUNDLE + post(call(1), "Origin: https://shop.example") * 100)
    await client.hold()


@kind(1_000)
async def unread_answers(client: Client) -> None:
    await client.send(get("/openapi.json") * 50)
    await client.hold()


@kind(1_000)
async def unread_answers_of_calls(client: Client) -> None:
    await client.send(post(call(300)) * 20)
    await client.hold()


@kind(300)
async def answers_that_are_read_slowly(client: Client) -> None:
    await client.send(BUNDLE * 20)
    while await client.read():
        await asyncio.sleep(5)


@kind(300)
async def unread_answers_of_http_1_0(client: Client) -> None:
    await client.send(get("/docs/swagger-ui-bundle.js", version="1.0"))
    await client.hold()


@kind(64)
async def bodies_that_stop_before_their_end(client: Client) -> None:
    await client.send(LARGE[:-1])
    await client.read_to_the_end()


@kind(2_000)
async def bodies_that_stop_at_their_beginning(client: Client) -> None:
    await client.send(LARGE[:1_000])
    await client.read_to_the_end()


@kind(2_000)
async def bodies_that_trickle(client: Client) -> None:
    await client.send(LARGE[:200])
    await client.trickle([b" " * 100] * 1_000, 0.5)


@kind(2_000)
async def heads_that_trickle(client: Client) -> None:
    await client.send(b"POST /track HTTP/1.1\r\nHost: x\r\n")
    await client.trickle([b"a:b\r\n"] * 10_000, 0.5)


@kind(2_000)
async def heads_of_many_headers(client: Client) -> None:
    await client.send(b"POST /track HTTP/1.1\r\nHost: x\r\n" + b"ab:cd\r\n" * 240)
    await client.read_to_the_end()


@kind(500)
async def long_heads_without_an_end(client: Client) -> None:
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"x" * 60_000)
    await client.read_to_the_end()


@kind(100)
async def bodies_in_tiny_chunks(client: Client) -> None:
    await client.send(CHUNKED + b"1\r\n \r\n" * 200_000)
    await client.read_to_the_end()


@kind(500)
async def bodies_in_tiny_packets(client: Client) -> None:
    await client.send(LARGE[:200])
    await client.trickle([b"  "] * 100_000, 0.005)


@kind(100)
async def compressed_calls(client: Client) -> None:
    while True:
        await client.send(COMPRESSED)
        await client.read()


@kind(100)
async def calls_of_many_events(client: Client) -> None:
    while True:
        await client.send(MANY_EVENTS)
        await client.read()


@kind(100)
async def large_calls(client: Client) -> None:
    while True:
        await client.send(FULL)
        await client.read()


@kind(10_000)
async def connections_that_are_idle(client: Client) -> None:
    await client.read_to_the_end()


@kind(5_000)
async def connections_that_are_idle_after_a_call(client: Client) -> None:
    await client.send(post(call(1), *[f"X-{number}: y" for number in range(50)]))
    await client.read_to_the_end()


@kind(500)
async def connections_that_close_at_once(client: Client) -> None:
    await client.send(get("/healthcheck"))


@kind(200)
async def bodies_after_a_refusal(client: Client) -> None:
    await client.send(
        post(b"", "Content-Type: image/png")[:-4].replace(b"Length: 0", b"Length: 100000000") + b"\r\n\r\n"
    )
    await client.trickle([b" " * 1_000] * 100_000, 0.1)
