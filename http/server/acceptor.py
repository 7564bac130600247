"""Accepts all connections that wait. The event loop alone accepts one in each of its rounds, however many wait."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from typing import Any

MAX_TOGETHER = 256


class Acceptor:
    """For each connection that the event loop accepts, accepts those behind it in the queue of the kernel."""

    def __init__(self) -> None:
        self._listening: list[socket.socket] = []
        self._is_scheduled = False
        self._connecting: set[asyncio.Task[None]] = set()

    def listen(self, sockets: Iterable[socket.socket], make_connection: Callable[[], asyncio.Protocol]) -> None:
        """Begin to accept from these sockets."""
        self._listening = [listening.dup() for listening in sockets]
        self._make_connection = make_connection
        for listening in self._listening:
            listening.setblocking(False)

    def close(self) -> None:
        for listening in self._listening:
            listening.close()
        self._listening = []

    def make(self, connection: Callable[..., asyncio.Protocol], **parts: Any) -> asyncio.Protocol:
        """Make a connection that was accepted, and accept others soon."""
        if self._listening and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._accept)
        return connection(**parts)

    def _accept(self) -> None:
        self._is_scheduled = False
        for listening in self._listening:
            with contextlib.suppress(OSError):  # BlockingIOError: the queue is empty
                for _ in range(MAX_TOGETHER):
                    accepted, _address = listening.accept()
                    task = asyncio.get_running_loop().create_task(self._connect(accepted))
                    self._connecting.add(task)
                    task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with contextlib.suppress(OSError):  # its client has gone
            await asyncio.get_running_loop().connect_accepted_socket(self._make_connection, accepted)
