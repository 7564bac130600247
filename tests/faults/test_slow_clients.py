"""Clients that send slowly, read slowly, or do neither, together with normal clients."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.faults.real_server import MEMORY_SLACK_KB, RealServer, raw_call
from tests.support.payloads import payload
from tests.support.raw_http import statuses

Start = Callable[..., RealServer]


@contextlib.asynccontextmanager
async def connections(server: RealServer, number: int) -> AsyncIterator[list[Any]]:
    opened = [await asyncio.open_connection(*server.address) for _ in range(number)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def load(server: RealServer, calls: int) -> None:
    limits = httpx.Limits(max_connections=16)
    async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as client:
        sent = (client.post("/track", json=payload(f"load-{n % 7}", "load")) for n in range(calls))
        assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}


@pytest.mark.slow
async def test_2000_idle_connections_delay_no_call_and_are_closed_in_the_end(start: Start) -> None:
    server = start(TRACKD_LIMITS_REQUEST_TIMEOUT_S="3")

    with server.unharmed():
        async with connections(server, 2_000) as idle:
            await load(server, 300)
            assert await asyncio.gather(*(reader.read() for reader, _ in idle)) == [b""] * 2_000
    assert sum(event["type"] == "load" for event in server.events()) == 300


@pytest.mark.slow
async def test_bodies_that_trickle_delay_no_call_and_get_408(start: Start) -> None:
    server = start(TRACKD_LIMITS_REQUEST_TIMEOUT_S="2")

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Send a byte at a time, until there is an answer."""
        answer = asyncio.create_task(reader.read())
        writer.write(raw_call("slow", body=b" " * 1_000_000)[:-999_000])
        while not answer.done():
            writer.write(b" ")
            await asyncio.wait([answer], timeout=0.05)
        return answer.result()

    with server.unharmed():
        async with connections(server, 200) as slow:
            trickling = [asyncio.create_task(trickle(*one)) for one in slow]
            await load(server, 300)
            answers = await asyncio.gather(*trickling)
    assert [statuses(answer) for answer in answers] == [[408]] * 200


async def test_a_client_that_never_reads_its_answers_takes_little_memory_and_is_closed(start: Start) -> None:
    server = start(TRACKD_LIMITS_REQUEST_TIMEOUT_S="1")
    requests = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000  # 100 MB of answers
    clients = 20

    def connect() -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(server.address)
        connection.setblocking(False)
        return connection

    async def send(connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.get_running_loop().sock_sendall(connection, requests)

    async def run() -> int:
        """Wait until the server has closed all of them; returns the most memory that they took, in kB."""
        before = most = server.memory_kb()
        silent = [connect() for _ in range(clients)]
        sending = asyncio.gather(*map(send, silent))
        while not sending.done():
            await asyncio.wait([sending], timeout=0.1)
            most = max(most, server.memory_kb())
        for connection in silent:
            connection.close()
        return most - before

    heaped = await run()
    with server.unharmed():  # the allocator kept enough in the first round for the second
        await run()
    assert heaped < clients * 5_000  # a chunk, the requests parsed from it (3 kB each), and an answer
    assert "Traceback" not in server.log()


@pytest.mark.slow
async def test_bodies_that_stop_arriving_take_no_more_memory_than_their_limit(start: Start) -> None:
    server = start(TRACKD_LIMITS_REQUEST_TIMEOUT_S="3", TRACKD_LIMITS_MAX_ARRIVING_BYTES="4000000")
    most = raw_call("still", body=b" " * 1_000_000)[:-1]

    with server.unharmed():
        async with connections(server, 100) as standing:
            before = server.memory_kb()
            for _, writer in standing:
                writer.write(most)
            await load(server, 100)
            assert server.memory_kb() < before + MEMORY_SLACK_KB  # refused clients linger, and take none
            answers = await asyncio.gather(*(reader.read() for reader, _ in standing))
    assert {tuple(statuses(answer)) for answer in answers} == {(408,), (503,)}
    assert sum(statuses(answer) == [408] for answer in answers) <= 4


async def test_a_server_out_of_open_files_serves_the_open_connections_and_recovers(start: Start) -> None:
    server = start(TRACKD_LIMITS_REQUEST_TIMEOUT_S="2")
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    client = httpx.Client(base_url=server.url, timeout=30)

    with server.unharmed(), client:
        client.get("/healthcheck")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (server.open_files() + 20, limits[1]))
        async with connections(server, 100) as idle:
            for _ in range(20):
                assert client.post("/track", json=payload("there", "there")).status_code == 200
            await asyncio.gather(*(reader.read() for reader, _ in idle), return_exceptions=True)
        assert server.call("new", session="new").status_code == 200
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    assert [event["seq"] for event in server.events() if event["type"] == "there"] == list(range(1, 21))
    assert server.log().count("no more files can be opened") == 1


def test_a_server_may_open_as_many_files_as_the_system_allows(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        server = start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[0] > 256
