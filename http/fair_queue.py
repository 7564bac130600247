"""A queue in which each client has a share: many entries of one address do not delay those of others."""

import heapq
from collections import OrderedDict
from functools import lru_cache
from itertools import count
from typing import Generic, TypeVar

from trackd.core.addresses import limit_key, parse_address

Entry = TypeVar("Entry")


class FairQueue(Generic[Entry]):
    """The clients take turns, in the order in which they came; the entries of each stay in order, lower ranks first.

    All clients behind a proxy are one.
    """

    def __init__(self) -> None:
        self._entries_of: OrderedDict[str, list[tuple[int, int, Entry]]] = OrderedDict()
        self._numbers = count()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, host: str, entry: Entry, rank: int = 0) -> None:
        """`host` is the address of the client."""
        entries = self._entries_of.setdefault(client_key(host), [])
        heapq.heappush(entries, (rank, next(self._numbers), entry))
        self._length += 1

    def pop(self) -> Entry:
        """The next entry. There has to be one."""
        key, entries = self._entries_of.popitem(last=False)
        self._length -= 1
        _, _, entry = heapq.heappop(entries)
        if entries:
            self._entries_of[key] = entries
        return entry

    def drop_last(self) -> Entry:
        """Remove the last entry of the client that has most. There has to be one."""
        key = max(self._entries_of, key=lambda key: len(self._entries_of[key]))
        entries = sorted(self._entries_of[key])
        _, _, entry = entries.pop()
        self._entries_of[key] = entries  # sorted, it is still a heap
        if not entries:
            del self._entries_of[key]
        self._length -= 1
        return entry


@lru_cache(maxsize=4_096)
def client_key(host: str) -> str:
    address = parse_address(host)
    return host if address is None else limit_key(address)
