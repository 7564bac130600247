"""Connections that were accepted and are not served yet, in the order in which they will be.

Those whose clients have sent something come first: thousands that are opened and send nothing do not delay a request.
Among them clients take turns. Those whose clients have closed come last: a client that closes at once and comes again
need not wait for the server.
"""

import select
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from trackd.http.fair_queue import FairQueue

Accepted = tuple[str, socket.socket]
"""A connection with the address of its client."""

MAX_SERVED = 64  # in a round of the event loop
MAX_SILENT_SERVED, MAX_CLOSED_SERVED = 16, 16  # after those before them
MIN_SERVED = 4  # of these two, however many others there are: a client that has closed its side may await an answer
MAX_SORTED = 1_024  # at once
MAX_CLOSED = 1_024  # that wait: past them the oldest is dropped

if sys.platform == "linux":
    CLOSED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR  # by the client, at least its sending side
    NOTICED = select.EPOLLIN | select.EPOLLRDHUP


class AcceptedConnections:
    """The connections that wait. On other systems than Linux they are served in the order in which they arrived."""

    def __init__(self, on_dropped: Callable[[], None]) -> None:
        self._on_dropped = on_dropped
        self._silent = OrderedDict[int, Accepted]()  # by file descriptor, as they arrived
        self._ready = FairQueue[socket.socket]()
        self._closed: deque[socket.socket] = deque()
        self._epoll = select.epoll() if sys.platform == "linux" else None

    def __len__(self) -> int:
        return len(self._silent) + len(self._ready) + len(self._closed)

    def add(self, connection: socket.socket, host: str) -> None:
        """`host` is the address of the client."""
        if self._epoll is None:
            self._ready.add(host, connection)
        else:
            self._epoll.register(connection, NOTICED)
            self._silent[connection.fileno()] = host, connection

    def next(self) -> Iterator[socket.socket]:
        """Those that are served in this round."""
        self._sort()
        served = min(MAX_SERVED, len(self._ready))
        for _ in range(served):
            yield self._ready.pop()
        silent = min(MAX_SILENT_SERVED, max(MAX_SERVED - served, MIN_SERVED), len(self._silent))
        for _ in range(silent):
            yield self._take(next(iter(self._silent)))[1]
        closed = min(MAX_CLOSED_SERVED, max(MAX_SERVED - served - silent, MIN_SERVED), len(self._closed))
        for _ in range(closed):
            yield self._closed.popleft()

    def _sort(self) -> None:
        """Find those that are silent no more."""
        if self._epoll is None or not self._silent:
            return
        for descriptor, event in self._epoll.poll(0, MAX_SORTED):
            host, connection = self._take(descriptor)
            if not event & CLOSED:
                self._ready.add(host, connection)
                continue
            self._closed.append(connection)
            if len(self._closed) > MAX_CLOSED:
                self._closed.popleft().close()
                self._on_dropped()

    def _take(self, descriptor: int) -> Accepted:
        assert self._epoll is not None
        self._epoll.unregister(descriptor)
        return self._silent.pop(descriptor)

    def close(self) -> list[socket.socket]:
        """All that wait; no more may be added."""
        if self._epoll is not None:
            self._epoll.close()
        ready = [self._ready.pop() for _ in range(len(self._ready))]
        waiting = [*ready, *(connection for _, connection in self._silent.values()), *self._closed]
        self._silent.clear()
        self._closed.clear()
        return waiting
