"""Connections that arrive together are accepted together."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from tests.support.polling import eventually
from trackd.http.server import accepted_connections
from trackd.http.server.acceptor import Acceptor

CLIENTS = 50


class Accepting:
    """An acceptor with a listening socket. Notes the connections that it makes."""

    def __init__(self, listening: socket.socket, room: int) -> None:
        self.listening = listening
        self.made: list[int] = []
        """The port of the client of each."""
        self.dropped = 0
        self.acceptor = Acceptor(lambda: room, self._drop)
        self.acceptor.listen([listening], self.make)

    def _drop(self) -> None:
        self.dropped += 1

    def make(self) -> asyncio.Protocol:
        return self.acceptor.make(Noting, made=self.made)


class Noting(asyncio.Protocol):
    def __init__(self, made: list[int]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(transport.get_extra_info("peername")[1])
        transport.close()


@asynccontextmanager
async def accepting(clients: int, room: int = 1_000) -> AsyncIterator[tuple[Accepting, list[socket.socket]]]:
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=clients))
        accepting = Accepting(listening, room)
        yield (
            accepting,
            [opened.enter_context(socket.create_connection(listening.getsockname())) for _ in range(clients)],
        )
        await accepting.acceptor.close()


def ports(clients: list[socket.socket]) -> list[int]:
    return [client.getsockname()[1] for client in clients]


async def test_all_connections_that_wait_are_accepted_behind_the_first_one() -> None:
    async with accepting(CLIENTS) as (server, clients):
        server.make()
        await eventually(lambda: len(server.made) == CLIENTS)
        assert sorted(server.made) == sorted(ports(clients))
    await eventually(lambda: not server.acceptor._connecting)


async def test_no_more_are_accepted_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepted_connections, "MAX_SILENT_SERVED", 1)
    async with accepting(CLIENTS, room=10) as (server, clients):
        server.acceptor._serve()
        assert len(server.acceptor._waiting) == 9
        await server.acceptor.close()
        await eventually(lambda: len(server.made) == CLIENTS)
        assert sorted(server.made) == sorted(ports(clients))


async def test_a_server_without_sockets_of_its_own_accepts_nothing() -> None:
    acceptor = Acceptor(lambda: 1, lambda: None)
    assert isinstance(acceptor.make(asyncio.Protocol), asyncio.Protocol)
