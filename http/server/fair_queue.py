"""A queue in which each client has a share: many entries of one address do not delay those of others."""

from collections import OrderedDict, deque
from functools import lru_cache
from typing import Generic, TypeVar

from trackd.core.addresses import limit_key, parse_address

Entry = TypeVar("Entry")


class FairQueue(Generic[Entry]):
    """The clients take turns, in the order in which they came; the entries of each stay in order.

    All clients behind a proxy are one.
    """

    def __init__(self) -> None:
        self._entries_of: OrderedDict[str, deque[Entry]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, host: str, entry: Entry) -> None:
        """`host` is the address of the client."""
        self._entries_of.setdefault(client_key(host), deque()).append(entry)
        self._length += 1

    def pop(self) -> Entry:
        """The next entry. There has to be one."""
        key, entries = self._entries_of.popitem(last=False)
        self._length -= 1
        entry = entries.popleft()
        if entries:
            self._entries_of[key] = entries
        return entry


@lru_cache(maxsize=4_096)
def client_key(host: str) -> str:
    address = parse_address(host)
    return host if address is None else limit_key(address)
