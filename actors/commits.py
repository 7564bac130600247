"""The commits that have ended, counted, and the feeds that wait for the next one."""

import asyncio


class Commits:
    """Used on the event loop's thread. A commit costs nothing more while nobody waits."""

    def __init__(self) -> None:
        self.number = 0
        self.has_ended = False
        """Whether the server stops: nobody waits any more."""
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self) -> None:
        """A commit has ended."""
        self.number += 1
        if self._waiting:
            self._wake()

    def end(self) -> None:
        self.has_ended = True
        self._wake()

    async def wait(self, after: int, timeout_s: float) -> bool:
        """Whether a commit after the one with this number has ended, or ends within the time. False at the stop."""
        if self.number == after and not self.has_ended and timeout_s > 0:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(woken)
            try:
                await asyncio.wait([woken], timeout=timeout_s)
            finally:
                self._waiting.discard(woken)
        return self.number != after and not self.has_ended

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)
