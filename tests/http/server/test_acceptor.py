"""Connections that arrive together are accepted together."""

import asyncio
import socket

from tests.support.polling import eventually
from trackd.http.server.acceptor import Acceptor

CLIENTS = 50


async def test_all_connections_that_wait_are_accepted_behind_the_first_one() -> None:
    made: list[asyncio.Protocol] = []
    acceptor = Acceptor()

    def make() -> asyncio.Protocol:
        made.append(asyncio.Protocol())
        return made[-1]

    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as listening:
        acceptor.listen([listening], lambda: acceptor.make(make))
        clients = [socket.create_connection(listening.getsockname()) for _ in range(CLIENTS)]
        acceptor.make(make)
        await eventually(lambda: len(made) == CLIENTS + 1)
        acceptor.close()
        acceptor.make(make)
        for client in clients:
            client.close()
    await eventually(lambda: not acceptor._connecting)


async def test_a_server_without_sockets_of_its_own_accepts_nothing() -> None:
    assert isinstance(Acceptor().make(asyncio.Protocol), asyncio.Protocol)
