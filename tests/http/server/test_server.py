"""What the kernel keeps for the server: connections that wait, and at the stop bytes of requests that are answered."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.http.server.track_requests import call, new_store, post
from tests.support.faulty_store import FaultyStore
from tests.support.raw_http import WITHIN_S, address, statuses
from tests.support.serving import serving
from trackd.config.settings import Server as ServerSettings
from trackd.config.settings import Settings
from trackd.http.server.server import Server

REQUEST = post(call())
ACCEPT_QUEUE = slice(28, 32)  # in the kernel's tcp_info of a listening socket: the number that may wait
Arrive = Callable[[], None]


class StoppingServer:
    """A server without a drain time, which stops at once after `arrive` has returned in its event loop.

    So the event loop does not read before the stop what a client sends in `arrive`.
    """

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address = address(url)
        self._monkeypatch = monkeypatch

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=WITHIN_S)

    def stop_after(self, arrive: Arrive) -> None:
        async def on_tick(server: Server, counter: int) -> bool:
            arrive()
            return True

        self._monkeypatch.setattr(Server, "on_tick", on_tick)


@contextlib.asynccontextmanager
async def stopping_server(monkeypatch: pytest.MonkeyPatch, store: FaultyStore) -> AsyncIterator[StoppingServer]:
    async with serving(store, Settings(server=ServerSettings(drain_ms=0))) as client:
        yield StoppingServer(str(client.base_url), monkeypatch)


async def received(connection: socket.socket) -> list[int]:
    """The statuses of all answers until the server closes the connection; raises when it is reset."""

    def read() -> bytes:
        with connection:
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    return statuses(await asyncio.to_thread(read))


async def test_requests_that_wait_to_be_read_when_the_drain_ends_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stopping_server(monkeypatch, new_store()) as server:
        connections = [server.connect() for _ in range(10)]
        for connection in connections:
            connection.sendall(REQUEST)
        for connection in connections:
            assert statuses(await asyncio.to_thread(connection.recv, 65_536)) == [200]

        def arrive() -> None:
            for connection in connections:
                connection.sendall(REQUEST)

        server.stop_after(arrive)
        assert [await received(connection) for connection in connections] == [[200]] * 10


async def test_a_request_whose_end_waits_to_be_read_when_the_drain_ends_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stopping_server(monkeypatch, new_store()) as server:
        connection = server.connect()
        request = post(call(), "Expect: 100-continue")
        connection.sendall(request[:-5])
        assert statuses(await asyncio.to_thread(connection.recv, 65_536)) == [100]
        server.stop_after(lambda: connection.sendall(request[-5:]))
        assert await received(connection) == [200]


async def test_connections_that_wait_to_be_accepted_when_the_server_stops_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stopping_server(monkeypatch, new_store()) as server:
        connections: list[socket.socket] = []
        stopped = asyncio.Event()

        def arrive() -> None:
            for _ in range(20):
                connections.append(server.connect())
                connections[-1].sendall(REQUEST)
            stopped.set()

        server.stop_after(arrive)
        await asyncio.wait_for(stopped.wait(), WITHIN_S)
        assert [await received(connection) for connection in connections] == [[200]] * 20


async def test_a_client_that_sends_without_end_does_not_delay_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stopping_server(monkeypatch, new_store()) as server:
        connection = server.connect()
        ended = asyncio.Event()

        async def send() -> None:
            connection.setblocking(False)
            with contextlib.suppress(ConnectionError):
                while True:
                    await asyncio.get_running_loop().sock_sendall(connection, b"\r\n" * 50_000)

        sending = asyncio.create_task(send())
        server.stop_after(ended.set)
        await asyncio.wait_for(sending, WITHIN_S)
        connection.close()
        assert ended.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the length of the queue")
async def test_as_many_connections_may_wait_to_be_accepted_as_the_kernel_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queues: asyncio.Queue[bytes] = asyncio.Queue()

    async def on_tick(server: Server, counter: int) -> bool:
        listening = server.servers[0].sockets[0]
        queues.put_nowait(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACCEPT_QUEUE.stop))
        return False

    monkeypatch.setattr(Server, "on_tick", on_tick)
    async with serving(new_store()):
        queue = await asyncio.wait_for(queues.get(), WITHIN_S)
        allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())
        assert int.from_bytes(queue[ACCEPT_QUEUE], sys.byteorder) == min(allowed, 65_535)
        monkeypatch.undo()
