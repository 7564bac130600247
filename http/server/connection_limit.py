"""The most connections that may be open at once, and which ones are closed to make room for another."""

import resource
from collections import Counter
from collections.abc import Collection

from msgspec import Struct

from trackd.http.server.measured_connection import MeasuredConnection

RESERVED_FILES = 64  # for the database, the processes of the server, and connections that are being closed
CLOSED_TOGETHER = 64  # one of so many open ones is closed: examining all of them takes a while


class ConnectionLimit(Struct, frozen=True):
    """One for all connections of a server."""

    max_connections: int

    def make_room(self, connections: Collection[MeasuredConnection], newest: MeasuredConnection | None = None) -> bool:
        """Drop connections that wait for their clients, but not the newest. Returns False when there are none.

        Those of the address with most connections are dropped first. There, clients that send or read slowly come
        before those with a whole request behind them, and then the ones that wait longest.
        """
        number_of = Counter(connection.client and connection.client[0] for connection in connections)
        waiting = [
            (-number_of[connection.client and connection.client[0]], connection.is_idle, since, position, connection)
            for position, connection in enumerate(connections)
            if connection is not newest and (since := connection.waiting_since) is not None
        ]
        waiting.sort()
        chosen = waiting[: 1 + len(connections) // CLOSED_TOGETHER]
        for *_, connection in chosen:
            connection.drop()
        return bool(chosen)


def allowed_connections() -> int:
    """As many as the limit of open files allows."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES)
