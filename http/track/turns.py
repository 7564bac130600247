"""Turns of large calls: small ones pass between them.

A call of a thousand events takes the event loop for tens of milliseconds. If a hundred of them arrived together, and
all were handled at once, everything else would wait for seconds.
"""

import asyncio
import time
from collections import deque

from trackd.http.errors import too_many_large_calls

LARGE_BYTES = 1_024  # a body of more than this is large, and so is a compressed one
BUSY_S = 0.05  # of large calls without a pause
PAUSE = 0.5  # of the time that was spent
MAX_WAITING = 1_000


class Turns:
    """One for all calls of a server. The work of a call is synchronous; its time is added by `spend`."""

    def __init__(self) -> None:
        self._spent_s = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_given = False  # to the one that waited longest
        self._is_resting = False

    def is_free(self) -> bool:
        """Whether a large call may be handled at once, without a turn. `spend` has to follow."""
        return self._spent_s < BUSY_S and not self._waiting and not self._is_given

    async def take(self) -> None:
        """Wait for a turn; `spend` has to follow. Raises HttpError when too many wait already."""
        if self.is_free():
            return
        if len(self._waiting) >= MAX_WAITING:
            raise too_many_large_calls()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.spend(0.0)
            raise

    def spend(self, seconds: float) -> None:
        """Add the time of a large call. The next one follows at once or after a pause."""
        self._is_given = False
        self._spent_s += seconds
        if not self._is_resting:
            self._is_resting = True
            asyncio.get_running_loop().call_soon(self._rest)
        if self._spent_s < BUSY_S:
            self._next()

    def _rest(self) -> None:
        """Runs in each round of the event loop while large calls are handled."""
        loop = asyncio.get_running_loop()
        if self._spent_s >= BUSY_S:
            loop.call_later(self._spent_s * PAUSE, self._begin_anew)
        elif self._waiting or self._is_given:
            loop.call_soon(self._rest)
        else:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._spent_s, self._is_resting = 0.0, False
        self._next()

    def _next(self) -> None:
        while self._waiting and not self._is_given:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._is_given = True


class Turn:
    """A turn for the block of an `async with`, if the call is large."""

    def __init__(self, turns: Turns, *, is_large: bool) -> None:
        self._turns = turns
        self._is_large = is_large

    async def __aenter__(self) -> None:
        if self._is_large:
            await self._turns.take()
            self._began = time.perf_counter()

    async def __aexit__(self, *_: object) -> None:
        if self._is_large:
            self._turns.spend(time.perf_counter() - self._began)
