"""Accepts all connections that wait. The event loop alone accepts one in each of its rounds, however many wait."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from typing import Any

from trackd.http.server.accepted_connections import AcceptedConnections

MAX_ACCEPTED = 1_024  # in a round of the event loop: much faster than to serve as many


class Acceptor:
    """For each connection that the event loop accepts, accepts those behind it in the queue of the kernel."""

    def __init__(self, room: Callable[[], int], on_dropped: Callable[[], None]) -> None:
        """`room` has the number of connections that may wait to be served."""
        self._room = room
        self._waiting = AcceptedConnections(on_dropped)
        self._listening: list[socket.socket] = []
        self._is_scheduled = False
        self._connecting: set[asyncio.Task[None]] = set()

    def listen(self, sockets: Iterable[socket.socket], make_connection: Callable[[], asyncio.Protocol]) -> None:
        """Begin to accept from these sockets."""
        self._listening = [listening.dup() for listening in sockets]
        self._make_connection = make_connection
        for listening in self._listening:
            listening.setblocking(False)

    def leave_queue(self) -> None:
        """Accept no more. The connections in the queue of the kernel stay there, for another process."""
        for listening in self._listening:
            listening.close()
        self._listening = []

    async def close(self) -> None:
        """Serve all that wait, accepted or not, then accept no more: the kernel resets those that are still queued."""
        queued: list[socket.socket] = []
        for listening in self._listening:
            with listening, contextlib.suppress(OSError):  # BlockingIOError: the queue is empty
                while True:
                    queued.append(listening.accept()[0])
        self._listening = []
        for accepted in (*self._waiting.close(), *queued):
            await self._connect(accepted)

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
        for accepted in self._waiting.next():
            task = asyncio.get_running_loop().create_task(self._connect(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        if self._waiting:
            self._schedule()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(min(MAX_ACCEPTED, self._room() - len(self._waiting))):
            accepted, address = listening.accept()
            self._waiting.add(accepted, address[0] if isinstance(address, tuple) else "")  # text for a Unix socket

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with contextlib.suppress(OSError):  # its client has gone
            await asyncio.get_running_loop().connect_accepted_socket(self._make_connection, accepted)
