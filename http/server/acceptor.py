"""Accepts all connections that wait. The event loop alone accepts one in each of its rounds, however many wait.

Those whose clients have closed already are served after the others: a client that closes at once and comes again need
not wait for the server, so that thousands of its connections may stand before those of clients that wait for answers.
"""

import asyncio
import contextlib
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

MAX_ACCEPTED = 256  # in a round of the event loop
MAX_SERVED, MAX_CLOSED_SERVED = 64, 16  # in a round; of those whose clients have closed, after the others
MAX_CLOSED = 1_024  # that wait: past them the oldest is dropped
LINUX_CLOSE_WAIT = 8  # the state of a connection whose client has closed it, or half of it


class Acceptor:
    """For each connection that the event loop accepts, accepts those behind it in the queue of the kernel."""

    def __init__(self, room: Callable[[], int], on_dropped: Callable[[], None]) -> None:
        """`room` has the number of connections that may wait to be served."""
        self._room = room
        self._on_dropped = on_dropped
        self._listening: list[socket.socket] = []
        self._accepted: deque[socket.socket] = deque()  # they wait to be served
        self._closed: deque[socket.socket] = deque()  # so do they, but their clients have closed
        self._is_scheduled = False
        self._connecting: set[asyncio.Task[None]] = set()

    def listen(self, sockets: Iterable[socket.socket], make_connection: Callable[[], asyncio.Protocol]) -> None:
        """Begin to accept from these sockets."""
        self._listening = [listening.dup() for listening in sockets]
        self._make_connection = make_connection
        for listening in self._listening:
            listening.setblocking(False)

    def close(self) -> list[socket.socket]:
        """Accept no more. Returns the connections that were accepted and are not served yet."""
        for listening in self._listening:
            listening.close()
        waiting = [*self._accepted, *self._closed]
        self._listening = []
        self._accepted.clear()
        self._closed.clear()
        return waiting

    def make(self, connection: Callable[..., asyncio.Protocol], **parts: Any) -> asyncio.Protocol:
        """Make a connection that was accepted, and accept others soon."""
        if self._listening:
            self._schedule()
        return connection(**parts)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._is_scheduled = False
        for listening in self._listening:
            with contextlib.suppress(OSError):  # BlockingIOError: the queue is empty
                self._accept(listening)
        for accepted in self._next():
            task = asyncio.get_running_loop().create_task(self._connect(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        if self._accepted or self._closed:
            self._schedule()

    def _accept(self, listening: socket.socket) -> None:
        room = self._room()
        for _ in range(MAX_ACCEPTED):
            if len(self._accepted) + len(self._closed) >= room:
                return
            accepted, _address = listening.accept()
            if not _is_closed_by_client(accepted):
                self._accepted.append(accepted)
                continue
            self._closed.append(accepted)
            if len(self._closed) > MAX_CLOSED:
                self._closed.popleft().close()
                self._on_dropped()

    def _next(self) -> Iterator[socket.socket]:
        """Those that are served in this round."""
        served = min(MAX_SERVED, len(self._accepted))
        for _ in range(served):
            yield self._accepted.popleft()
        for _ in range(min(MAX_CLOSED_SERVED, MAX_SERVED - served, len(self._closed))):
            yield self._closed.popleft()

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with contextlib.suppress(OSError):  # its client has gone
            await asyncio.get_running_loop().connect_accepted_socket(self._make_connection, accepted)


def _is_closed_by_client(connection: socket.socket) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == LINUX_CLOSE_WAIT
    except OSError:  # some kernels that stand in for Linux do not tell
        return False
