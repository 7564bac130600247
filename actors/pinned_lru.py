"""A map that evicts the least recently used entries, but none that is in flight."""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Pinnable(Protocol):
    in_flight: int
    """How many calls in flight use the entry: above 0 it is pinned."""
    size: int
    """Bytes in memory; changed by `resize` only once the entry is added."""


V = TypeVar("V", bound=Pinnable)


class PinnedLRU(Generic[V]):
    """At most `size` entries. Pinned entries are not evicted, so there can be more while many are in flight.

    `bytes` is the sum of their sizes. `entries`, in the order of their last use, are changed by the methods only.
    """

    def __init__(self, size: int) -> None:
        self.bytes = 0
        self._size = size
        self.entries: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, key: str) -> V | None:
        """The entry, which becomes the most recently used."""
        entry = self.entries.get(key)
        if entry is not None:
            self.entries.move_to_end(key)
        return entry

    def make_room(self) -> list[V]:
        """Evict entries until there is room for one more, the least recently used first; returns the evicted ones."""
        evicted: list[V] = []
        for _ in range(len(self.entries)):
            if len(self.entries) < self._size:
                break
            oldest, entry = self.entries.popitem(last=False)
            if entry.in_flight:
                self.entries[oldest] = entry
            else:
                self.bytes -= entry.size
                evicted.append(entry)
        return evicted

    def shrink(self, max_bytes: int) -> list[V]:
        """Evict entries until all have at most `max_bytes`; returns the evicted ones.

        The large ones go first, and of those with about the same size the least recently used.
        """
        evicted: list[V] = []
        if self.bytes <= max_bytes:
            return evicted
        unpinned = [(key, entry) for key, entry in self.entries.items() if not entry.in_flight]
        for key, entry in sorted(unpinned, key=lambda item: item[1].size.bit_length(), reverse=True):
            if self.bytes <= max_bytes:
                break
            self.discard(key)
            evicted.append(entry)
        return evicted

    def add(self, key: str, entry: V) -> None:
        """Add a new entry, after `make_room`."""
        self.entries[key] = entry
        self.bytes += entry.size

    def resize(self, key: str, entry: V, size: int) -> None:
        """Set the size of an entry, if it was not evicted meanwhile."""
        if self.entries.get(key) is entry:
            self.bytes += size - entry.size
            entry.size = size

    def discard(self, key: str) -> V | None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
        return entry
