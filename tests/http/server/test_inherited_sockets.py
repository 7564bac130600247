"""Sockets that a service manager hands over."""

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from trackd.http.server.inherited_sockets import InheritedSocketError, inherited_sockets


def handed_over(made: socket.socket) -> int:
    """The descriptor of a socket, as another process would have opened it."""
    descriptor = made.detach()
    os.set_inheritable(descriptor, True)
    return descriptor


def unix() -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(b"")  # any free name that has no file
    listening.listen()
    return listening


@pytest.mark.parametrize("make", [lambda: socket.create_server(("127.0.0.1", 0)), unix], ids=["TCP", "Unix"])
def test_listening_sockets_are_taken_and_no_child_inherits_them(make: Callable[[], socket.socket]) -> None:
    made = make()
    name, family = made.getsockname(), made.family
    with inherited_sockets(["http"], handed_over(made)) as [taken]:
        assert (taken.getsockname(), taken.family) == (name, family)
        assert not taken.get_inheritable()
        with socket.socket(family) as client:
            client.connect(name)
    assert taken.fileno() == -1


def connected() -> socket.socket:
    one, other = socket.socketpair()
    other.close()
    return one


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "http is no stream of TCP or Unix: use ListenStream=",
        ),
        (connected, "http does not listen: use Accept=no"),
        (lambda: socket.socket(), "http does not listen: use Accept=no"),
    ],
    ids=["datagrams", "a connection", "not listening"],
)
def test_others_are_refused_by_name(make: Callable[[], socket.socket], reason: str) -> None:
    with ExitStack() as opened:
        descriptor = handed_over(make())
        opened.callback(os.close, descriptor)
        with pytest.raises(InheritedSocketError) as refused:
            opened.enter_context(inherited_sockets(["http"], descriptor))
        assert str(refused.value) == reason


def test_a_descriptor_that_is_no_socket_or_not_open_is_refused() -> None:
    read, write = os.pipe()
    os.close(write)
    for reason in ("Socket operation on non-socket", "Bad file descriptor"):
        with pytest.raises(InheritedSocketError, match=f"http is no socket .{reason}."):
            inherited_sockets(["http"], read).__enter__()
        if reason.startswith("Socket"):
            os.close(read)
