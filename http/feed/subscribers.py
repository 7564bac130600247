"""The clients that read a feed: how many there are, how far behind, and how fast all together may be served."""

import asyncio
import time
from collections.abc import Callable

from trackd.core.feed_cursor import Cursor
from trackd.http.errors import too_many_subscribers

PAGE_COST_S = 60e-6  # of the event loop's time to read a page, and again to send it
BYTE_COST_S = 3e-9
PAUSES, PAUSES_WHEN_BUSY = 4, 32  # for each second that feeds take of the event loop's time
BUSY_S = 0.05  # a commit takes all calls that wait: between two of them the server is as busy


class Subscriber:
    """One client. `refusals`: it reads them too."""

    def __init__(self, now: float, *, refusals: bool = False) -> None:
        self._position: Cursor | None = None
        self._unsent = 0
        self._refusals = refusals
        self.current_at = now
        """The last time at which nothing followed its position."""

    def begin(self, position: Cursor, records: int) -> None:
        """Its first page has so many records up to the position, and nothing of it is sent yet."""
        self._position, self._unsent = position, records

    def read(self, position: Cursor, now: float, *, is_last: bool) -> None:
        """It has got all up to the position. `is_last`: nothing follows."""
        self._position, self._unsent = position, 0
        if is_last:
            self.current_at = now

    def behind(self, head: Cursor) -> int:
        """How many numbers of records follow its position up to `head`; 0 until it has one."""
        if self._position is None:
            return 0
        behind = self._unsent + max(head.events - self._position.events, 0)
        if self._refusals:
            behind += max((head.refusals or 0) - (self._position.refusals or 0), 0)
        return behind


class Subscribers:
    """All clients of feeds. They take turns: calls must not wait because many feeds are read."""

    def __init__(
        self,
        most: int,
        head: Callable[[], Cursor],
        is_busy: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`head` is the cursor after the last record, with refusals. `is_busy`: many calls wait."""
        self._most = most
        self._head = head
        self._is_busy = is_busy
        self._now = now
        self._subscribers: set[Subscriber] = set()
        self._next_turn = self._busy_until = 0.0
        self.records = 0
        """Sent since the start."""

    def add(self, *, refusals: bool = False) -> Subscriber:
        """`refusals`: it reads them too. Raises HttpError when there are too many."""
        if len(self._subscribers) >= self._most:
            raise too_many_subscribers(self._most)
        subscriber = Subscriber(self._now(), refusals=refusals)
        self._subscribers.add(subscriber)
        return subscriber

    def remove(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)

    def __len__(self) -> int:
        return len(self._subscribers)

    def pause(self, pages: int) -> float:
        """How many seconds to read no pages after so many."""
        return self._pauses * PAGE_COST_S * pages

    @property
    def _pauses(self) -> int:
        now = self._now()
        if self._is_busy():
            self._busy_until = now + BUSY_S
        return PAUSES_WHEN_BUSY if now < self._busy_until else PAUSES

    async def turn(self, size: int) -> None:
        """Wait until a page of so many bytes may be sent."""
        now = self._now()
        begin = max(self._next_turn, now)
        self._next_turn = begin + self._pauses * (PAGE_COST_S + BYTE_COST_S * size)
        if begin > now:
            await asyncio.sleep(begin - now)

    def lag(self) -> tuple[int, float]:
        """How many numbers of records the slowest one is behind, and how many seconds. Raises StoreError."""
        if not self._subscribers:
            return 0, 0.0
        head, now = self._head(), self._now()
        numbers = [(each.behind(head), each) for each in self._subscribers]
        seconds = [now - each.current_at for number, each in numbers if number > 0]
        return max(number for number, _ in numbers), max(seconds, default=0.0)
