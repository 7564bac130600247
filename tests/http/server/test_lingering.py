"""Answers that come before the body of their request: the client can send the rest, and then read them."""

import asyncio
import contextlib
import itertools
import re
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.http.server.track_requests import JSON, call, new_store
from tests.support.payloads import payload
from tests.support.raw_http import WITHIN_S, RawConnection, address, connected, statuses
from tests.support.serving import serving
from trackd.config.settings import Limits, Server, Settings
from trackd.http.server import lingering
from trackd.http.server.lingering import IDLE_S, Lingering

PIECE = 16_384
WRONG_TOKEN = "Authorization: Bearer trackd_wrong"
# Requests that are answered before their body arrives, with the status.
EARLY = {
    "another content type": ("POST /track", ["Content-Type: text/xml"], 415),
    "another encoding": ("POST /track", [JSON, "Content-Encoding: br"], 415),
    "another charset": ("POST /track", ["Content-Type: text/plain; charset=latin-1"], 415),
    "a call of a browser": ("POST /track", ["Content-Type: text/xml", "Origin: https://shop.example"], 415),
    "another method": ("PUT /track", [JSON], 405),
    "a preflight": ("OPTIONS /track", ["Origin: https://shop.example", "Access-Control-Request-Method: POST"], 200),
    "no such path": ("POST /nothing", [JSON], 404),
    "another method elsewhere": ("POST /healthcheck", [JSON], 405),
    "no token": ("POST /event-source", [JSON], 401),
    "a read with a body": ("GET /healthcheck", [], 200),
    "a large answer": ("GET /docs/swagger-ui-bundle.js", [], 200),
}
VERSIONS = {"1.0": ("HTTP/1.0", []), "close": ("HTTP/1.1", ["Connection: close"])}
LENGTHS = [("1.0", False), ("close", False), ("close", True)]  # HTTP/1.0 has no chunks
LARGE = b" " * 3_000_000
SETTINGS = Settings(server=Server(drain_ms=0))


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with serving(new_store(), SETTINGS) as client:
        yield str(client.base_url)


def head_of(name: str, version: str, *lines: str) -> bytes:
    target, headers, _ = EARLY[name]
    protocol, more = VERSIONS[version]
    return "\r\n".join([f"{target} {protocol}", "Host: x", *headers, *more, *lines, "", ""]).encode()


def pieces(body: bytes, *, in_chunks: bool) -> Iterator[bytes]:
    for begin in range(0, len(body), PIECE):
        piece = body[begin : begin + PIECE]
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if in_chunks else piece
    if in_chunks:
        yield b"0\r\n\r\n"


def answer_after_sending(url: str, head: bytes, body: Iterator[bytes], *, waits: bool = True) -> bytes:
    """Send everything, then read until the server closes. Raises ConnectionError when the server resets.

    With `waits` the body is sent when the answer is there.
    """
    with socket.create_connection(address(url), timeout=WITHIN_S) as connection:
        connection.sendall(head)
        if waits:
            assert connection.recv(1, socket.MSG_PEEK)
        for piece in body:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(1_000_000), b""))


def assert_whole(answer: bytes, status: int) -> None:
    assert statuses(answer) == [status]
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length
    assert len(body) == int(length[1])
    assert b"connection: close" in head


@pytest.mark.parametrize(("version", "in_chunks"), LENGTHS)
@pytest.mark.parametrize("name", EARLY)
async def test_an_early_answer_can_be_read_after_the_body_is_sent(
    url: str, name: str, version: str, in_chunks: bool
) -> None:
    for size in (30_000, 1_000_000):
        length = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {size}"
        body = pieces(b" " * size, in_chunks=in_chunks)
        answer = await asyncio.to_thread(answer_after_sending, url, head_of(name, version, length), body)
        assert_whole(answer, EARLY[name][2])


@pytest.mark.parametrize(("version", "in_chunks"), LENGTHS)
@pytest.mark.parametrize("headers", [[JSON], [JSON, "Content-Encoding: gzip"], ["Origin: https://shop.example"]])
async def test_a_body_that_is_too_large_is_refused_and_the_refusal_can_be_read(
    url: str, version: str, in_chunks: bool, headers: list[str]
) -> None:
    protocol, more = VERSIONS[version]
    length = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {len(LARGE)}"
    head = "\r\n".join([f"POST /track {protocol}", "Host: x", *headers, *more, length, "", ""]).encode()
    body = pieces(LARGE, in_chunks=in_chunks)
    assert_whole(await asyncio.to_thread(answer_after_sending, url, head, body, waits=False), 413)


async def test_too_many_wrong_tokens_are_refused_and_the_refusal_can_be_read() -> None:
    head = f"POST /event-source HTTP/1.0\r\nHost: x\r\n{WRONG_TOKEN}\r\nContent-Length: 100000\r\n\r\n".encode()
    async with serving(new_store(), SETTINGS) as client:
        found = []
        for _ in range(15):
            body = pieces(b" " * 100_000, in_chunks=False)
            answer = await asyncio.to_thread(answer_after_sending, str(client.base_url), head, body)
            found += statuses(answer)
    assert set(found) == {401, 429}
    assert len(found) == 15


async def test_a_complete_request_is_answered_and_the_connection_closed_at_once(url: str) -> None:
    for protocol, more in VERSIONS.values():
        lines = [f"POST /track {protocol}", "Host: x", JSON, *more, f"Content-Length: {len(call())}", "", ""]
        async with connected(url) as connection:
            await connection.send("\r\n".join(lines).encode() + call())
            assert statuses(await connection.rest()) == [200]


async def test_a_connection_that_is_kept_alive_takes_the_next_request_after_the_rest_of_the_body(url: str) -> None:
    head = b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n"
    async with connected(url) as connection:
        for _ in range(3):
            assert (await connection.ask(head)).status == 415
            await connection.send(*pieces(b" " * 100_000, in_chunks=False))
        assert (await connection.ask(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200


async def test_a_bad_chunk_after_an_early_answer_does_not_lose_it(url: str) -> None:
    head = b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = itertools.repeat(b"no number\r\n" * 1_000, 100)
    answer = await asyncio.to_thread(answer_after_sending, url, head, iter(body))
    assert statuses(answer) == [415]


async def sends_without_end(connection: RawConnection) -> None:
    with contextlib.suppress(ConnectionError):
        for _ in range(10_000):
            await connection.send(b" " * 100_000)
        raise AssertionError("the server reads without end")


@pytest.mark.parametrize("lines", [["Connection: close"], []], ids=["close", "keep-alive"])
async def test_a_client_that_sends_without_end_after_its_answer_is_reset(
    url: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "MAX_DISCARDED_BYTES", 200_000)
    head = ["POST /track HTTP/1.1", "Host: x", "Content-Type: text/xml", *lines, "Content-Length: 9000000000", "", ""]
    async with connected(url) as connection:
        assert (await connection.ask("\r\n".join(head).encode())).status == 415
        await sends_without_end(connection)


async def test_a_body_whose_request_is_answered_takes_no_share_of_the_inbound_budget() -> None:
    body = b" " * 60_000
    early = b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 90000\r\n\r\n" + body
    large = call().replace(b"{", b"{" + b" " * 80_000, 1)
    settings = Settings(server=Server(drain_ms=0), limits=Limits(max_arriving_bytes=100_000))
    async with serving(new_store(), settings) as client, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            connection = await stack.enter_async_context(connected(str(client.base_url)))
            assert (await connection.ask(early)).status == 415
        last = await stack.enter_async_context(connected(str(client.base_url)))
        head = f"POST /track HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: {len(large)}\r\n\r\n".encode()
        await last.send(head + large[:-1])
        assert (await client.post("/track", json=payload("s", "t"))).status_code == 200
        assert (await last.ask(large[-1:])).status == 200


def test_a_connection_lingers_while_its_client_sends_but_not_for_ever() -> None:
    connection = Lingering(0.0, 30)
    assert not connection.is_over(IDLE_S)
    assert connection.is_over(IDLE_S + 0.1)
    for second in range(1, 30):
        connection.note_bytes(second)
        assert not connection.is_over(second + 1)
    connection.note_bytes(30.5)
    assert connection.is_over(30.6)


def test_the_time_begins_anew_when_the_client_still_reads_its_answer() -> None:
    connection = Lingering(0.0, 30)
    connection.restart(100.0)
    assert not connection.is_over(100.0 + IDLE_S)
    assert connection.is_over(100.0 + IDLE_S + 0.1)
