"""What a connection may do to the server, over a raw socket."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from tests.support import SOURCE_ID, payload, serving
from trackd.storage.documents import Source
from trackd.storage.memory import MemoryStore

BODY = json.dumps(payload("s", "page-view")).encode()


def talk(*parts: bytes) -> tuple[bytes, MemoryStore]:
    """Send the parts and return all that comes back until the server closes."""
    store = MemoryStore([Source(SOURCE_ID, "test")])

    async def run() -> bytes:
        async with serving(store) as client:
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            try:
                with contextlib.suppress(ConnectionError):
                    for part in parts:
                        writer.write(part)
                        await writer.drain()
                return await _answers(reader.read)
            finally:
                writer.close()

    return asyncio.run(asyncio.wait_for(run(), 30)), store


async def _answers(read: Callable[[int], Awaitable[bytes]]) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await read(65_536):
            received += chunk
    return received


def post(*headers: str, body: bytes = BODY) -> bytes:
    lines = ["POST /track HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_a_head_without_an_end_is_refused() -> None:
    answer, _ = talk(b"POST /track HTTP/1.1\r\n", *(b"x-a: " + b"a" * 1_000 + b"\r\n" for _ in range(2_000)))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"65536 bytes" in answer


def test_a_body_after_an_offered_upgrade_is_refused_and_not_lost_in_silence() -> None:
    answer, store = talk(post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"without Upgrade" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert store.events == []


def test_an_offered_upgrade_without_a_body_is_ignored_and_the_connection_closed() -> None:
    answer, _ = talk(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


def test_pipelined_calls_are_answered_in_their_order() -> None:
    calls = [post(body=json.dumps(payload("s", "page-view")).encode()) for _ in range(20)]
    answer, store = talk(b"".join(calls), post("Connection: close"))
    assert answer.count(b"HTTP/1.1 200 ") == 21
    assert [event.seq for event in store.events] == list(range(1, 22))


def test_a_connection_that_pipelines_without_end_is_closed() -> None:
    answer, _ = talk(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000)
    assert answer.count(b"HTTP/1.1 200 ") < 200_000
