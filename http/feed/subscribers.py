"""The clients that read a feed: how many there are, and how far behind."""

import time
from collections.abc import Callable
from functools import cache

from trackd.core.feed_cursor import Cursor
from trackd.http.errors import too_many_subscribers

EventsBetween = Callable[[int, int], int]
"""See `Listings.events_between`."""


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

    def behind(self, head: Cursor, events_between: EventsBetween) -> int:
        """About how many records follow its position up to `head`; 0 until it has one."""
        if self._position is None:
            return 0
        behind = self._unsent
        if self._position.events < head.events:
            behind += events_between(self._position.events, head.events)
        if self._refusals:
            behind += max((head.refusals or 0) - (self._position.refusals or 0), 0)
        return behind


class Subscribers:
    """All clients of feeds."""

    def __init__(
        self,
        most: int,
        head: Callable[[], Cursor],
        events_between: EventsBetween,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`head` is the cursor after the last record, with refusals."""
        self._most = most
        self._head = head
        self._events_between = events_between
        self._now = now
        self._subscribers: set[Subscriber] = set()
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

    def lag(self) -> tuple[int, float]:
        """About how many records the slowest one is behind, and how many seconds. Raises StoreError."""
        if not self._subscribers:
            return 0, 0.0
        head, now = self._head(), self._now()
        between = cache(self._events_between)  # many feeds have the same position
        numbers = [(each.behind(head, between), each) for each in self._subscribers]
        seconds = [now - each.current_at for number, each in numbers if number > 0]
        return max(number for number, _ in numbers), max(seconds, default=0.0)
