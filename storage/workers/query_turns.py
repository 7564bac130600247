"""Which queries the reader process runs now, and which wait."""

import asyncio

from trackd.storage.errors import StoreError


class QueryTurns:
    """At most `max_running` queries at once; others wait in their order, at most `max_waiting` of them."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self.running = self.waiting = 0
        self._free = asyncio.Semaphore(max_running)
        self._max_waiting = max_waiting

    async def begin(self) -> None:
        """Return when it is the query's turn, which `end` ends. Raises StoreError when too many wait."""
        if self.waiting >= self._max_waiting:
            raise StoreError(f"{self.waiting} lists are waiting to be read")
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.running += 1

    def end(self) -> None:
        self.running -= 1
        self._free.release()
