"""Sockets that a service manager listens on and hands over at the start: they stay open while the server restarts."""

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence

FIRST_DESCRIPTOR = 3  # sd_listen_fds(3)
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class InheritedSocketError(Exception):
    """A socket that the server cannot serve. The text has its name, the reason, and what to do."""


@contextlib.contextmanager
def inherited_sockets(names: Sequence[str], first: int = FIRST_DESCRIPTOR) -> Iterator[list[socket.socket]]:
    """The sockets with these names, within the block. Raises InheritedSocketError."""
    with contextlib.ExitStack() as opened:
        yield [
            opened.enter_context(contextlib.closing(_inherited(descriptor, name)))
            for descriptor, name in enumerate(names, first)
        ]


def _inherited(descriptor: int, name: str) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise InheritedSocketError(f"{name} is no socket ({os.strerror(error.errno or 0)})") from None
    try:
        if found.family not in FAMILIES or found.type != socket.SOCK_STREAM:
            raise InheritedSocketError(f"{name} is no stream of TCP or Unix: use ListenStream=")
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise InheritedSocketError(f"{name} does not listen: use Accept=no")
    except BaseException:
        found.detach()
        raise
    found.set_inheritable(False)
    return found
