"""The order in which accepted connections are served: those that sent something, the silent ones, the closed ones."""

import select
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from trackd.http.server import accepted_connections as module
from trackd.http.server.accepted_connections import MAX_SERVED, MAX_SILENT_SERVED, MIN_SERVED, AcceptedConnections

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux finds silent connections")
Accept = Callable[[int], list[socket.socket]]


class Waiting(AcceptedConnections):
    """The connections, and the number that were dropped."""

    def __init__(self) -> None:
        self.dropped = 0
        super().__init__(self._drop)

    def _drop(self) -> None:
        self.dropped += 1

    def ports(self) -> list[int]:
        """The ports of the clients that are served in a round."""
        served = []
        for connection in self.next():
            served.append(connection.getpeername()[1])
            connection.close()
        return served


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    for connection in waiting.close():
        connection.close()


@pytest.fixture
def accept(waiting: Waiting) -> Iterator[Accept]:
    """Opens so many connections, which wait; returns the clients' ends."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))

        def accept(number: int) -> list[socket.socket]:
            clients = []
            for _ in range(number):
                clients.append(opened.enter_context(socket.create_connection(listening.getsockname())))
                connection, (host, _) = listening.accept()
                waiting.add(connection, host)
            return clients

        yield accept


def ports(clients: list[socket.socket]) -> list[int]:
    return [client.getsockname()[1] for client in clients]


def send(client: socket.socket, waiting: Waiting) -> None:
    """Send something, and wait until the kernel has it for the server."""
    client.sendall(b"x")
    port = client.getsockname()[1]
    [connection] = [each for _, each in waiting._silent.values() if each.getpeername()[1] == port]
    assert select.select([connection], [], [], 10)[0]


@needs_linux
def test_a_connection_that_has_sent_something_is_served_before_all_silent_ones(
    waiting: Waiting, accept: Accept
) -> None:
    clients = accept(100)
    send(clients[70], waiting)
    first = waiting.ports()
    assert first == ports([clients[70], *clients[:MAX_SILENT_SERVED]])
    send(clients[99], waiting)
    assert waiting.ports()[0] == clients[99].getsockname()[1]
    assert len(waiting) == 100 - 2 * (1 + MAX_SILENT_SERVED)


@needs_linux
def test_few_silent_and_closed_ones_are_served_while_many_others_have_sent_something(
    waiting: Waiting, accept: Accept
) -> None:
    silent, closed = accept(2 * MIN_SERVED), accept(2 * MIN_SERVED)
    for client in closed:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
    served = []
    for _ in range(2):
        busy = accept(MAX_SERVED)
        for client in busy:
            send(client, waiting)
        ready, others = waiting.ports(), 2 * MIN_SERVED
        assert ready[:-others] == ports(busy)
        served += ready[-others:]
    assert sorted(served) == sorted(ports([*silent, *closed]))
    assert waiting.ports() == []


@needs_linux
def test_clients_with_many_connections_do_not_delay_others(waiting: Waiting, accept: Accept) -> None:
    clients = accept(2 * MAX_SERVED)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        other = socket.create_connection(listening.getsockname(), source_address=("127.0.0.2", 0))
        connection, (host, _) = listening.accept()
    with other:
        waiting.add(connection, host)
        for client in [*clients, other]:
            send(client, waiting)
        assert waiting.ports()[:3] == ports([clients[0], other, clients[1]])


@needs_linux
def test_those_whose_clients_have_closed_are_served_after_the_others(waiting: Waiting, accept: Accept) -> None:
    clients = accept(10)
    half_closed, closed = clients[:3], clients[3:6]
    for client in half_closed:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
    there = ports(clients)
    for client in closed:
        client.close()
    served = waiting.ports()
    assert (sorted(served[:4]), sorted(served[4:])) == (sorted(there[6:]), sorted(there[:6]))
    assert waiting.dropped == 0


@needs_linux
def test_the_oldest_of_too_many_whose_clients_have_closed_are_dropped(
    waiting: Waiting, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CLOSED", 10)
    clients = accept(40)
    for client in clients:
        client.close()
    assert len(waiting.ports()) == 10
    assert waiting.dropped == 30


def test_on_other_systems_the_order_is_that_of_arrival(
    accept: Accept, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting._epoll = None
    clients = accept(5)
    clients[4].sendall(b"x")
    assert waiting.ports() == ports(clients)


def test_sockets_of_one_machine_are_served_too(waiting: Waiting) -> None:
    server, client = socket.socketpair()
    with client:
        waiting.add(server, "")
        assert len(waiting) == 1
        assert [*waiting.next()] == [server]
        server.close()
