"""The clients that read a feed: how many there are, and how far behind."""

import time
from collections.abc import Callable

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

    def events_read(self, head: Cursor) -> int:
        """The number of the event up to which it has a page, that of `head` until it has one."""
        return head.events if self._position is None else min(self._position.events, head.events)

    def behind(self, head: Cursor, events: int) -> int:
        """About how many records follow its position up to `head`, of which so many are events; 0 until it has one."""
        if self._position is None:
            return 0
        refusals = (head.refusals or 0) - (self._position.refusals or 0) if self._refusals else 0
        return self._unsent + events + max(refusals, 0)


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
        """About how many records the slowest one is behind, and how many seconds. Raises StoreError.

        Events are counted once, from the first of all positions on: in PostgreSQL each count is a query.
        """
        if not self._subscribers:
            return 0, 0.0
        head, now = self._head(), self._now()
        first = min(each.events_read(head) for each in self._subscribers)
        count = self._events_between(first, head.events) if first < head.events else 0
        records, seconds = 0, 0.0
        for each in self._subscribers:
            is_first, is_current = each.events_read(head) == first, each.events_read(head) == head.events
            if (behind := each.behind(head, count if is_first else 0)) or not is_current:
                records, seconds = max(records, behind), max(seconds, now - each.current_at)
        return records, seconds
