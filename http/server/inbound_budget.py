"""The bytes that connections hold for their clients, and the limit of all together.

A connection holds the bytes of its incomplete request, those of requests that wait for their turn, and answers that its
client does not read.
"""

from typing import Protocol

FREE_BYTES = 16_384  # of each connection; a usual call fits, so large ones of others do not refuse it
OVERHEAD_BYTES = 16_384  # of memory for each connection that holds something
SMALL_FACTOR = 2  # the first bytes and the overhead of all connections may be so many times the limit
MIN_SMALL_LIMIT = 134_217_728


class Holder(Protocol):
    def give_up(self) -> None:
        """Release what the connection holds: refuse its request, or close it."""


class InboundBudget:
    """One for all connections of a server.

    The first `FREE_BYTES` of each connection do not count. When the rest of all is over `max_size`, the connection that
    holds most gives up. So does the one that has held something for the longest time when there are so many that their
    first bytes take too much memory.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._max_small_size = max(max_size * SMALL_FACTOR, MIN_SMALL_LIMIT)
        self.size = 0
        """The bytes that count."""
        self._small_size = 0
        self._held: dict[Holder, int] = {}  # in the order in which the connections began to hold something

    def hold(self, holder: Holder, size: int) -> None:
        """Set the bytes that a connection holds. Some connection gives up when they are too many, perhaps this one."""
        self._set(holder, size)
        while self.size > self.max_size:
            self._give_up(max(self._held, key=self._held.__getitem__))
        while self._small_size > self._max_small_size:
            self._give_up(next(iter(self._held)))

    def _give_up(self, holder: Holder) -> None:
        self._set(holder, 0)
        holder.give_up()

    def _set(self, holder: Holder, size: int) -> None:
        before = self._held.pop(holder, 0) if not size else self._held.get(holder, 0)
        if size:
            self._held[holder] = size
        self.size += max(size - FREE_BYTES, 0) - max(before - FREE_BYTES, 0)
        self._small_size += _small(size) - _small(before)


def _small(size: int) -> int:
    return min(size, FREE_BYTES) + OVERHEAD_BYTES if size else 0
