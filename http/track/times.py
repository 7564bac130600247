"""The time at which an event happened, in the forms that clients send."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Any

from msgspec import Struct

from trackd.core.documents import timestamp
from trackd.core.times import read_time

SECOND = 1_000_000  # microseconds
EMPTY: tuple[Any, ...] = None, "", [], {}
NO_SKEW, MAX_SKEW = timedelta(), timedelta(minutes=1)


class Clock:
    """The present time as a timestamp. The part that is the same for a second is cached, as every call needs it."""

    def __init__(self, microseconds: Callable[[], int] = lambda: time_ns() // 1_000) -> None:
        """`microseconds` returns the microseconds since 1970."""
        self._microseconds = microseconds
        self._second = -SECOND  # its beginning, in microseconds
        self._prefix = ""

    def now(self) -> str:
        now = self._microseconds()
        microsecond = now - self._second
        if not 0 <= microsecond < SECOND:
            microsecond = now % SECOND
            self._second = now - microsecond
            self._prefix = timestamp(datetime.fromtimestamp(now // SECOND, UTC))[: -len("000000Z")]
        return f"{self._prefix}{str(microsecond).zfill(6)}Z"  # faster than to format the number


class EventTimes(Struct):
    """Reads the times of the events of one call, and corrects them when the client's clock is wrong."""

    received: str
    """When the call arrived."""
    sent_at: Any = None
    """When the call was sent, if its payload has that."""
    header: str | None = None
    """The same in the header x-timestamp."""
    notes: tuple[str, ...] = ()
    """Sentences on the client's clock for the log of the answer, once an event with a time was read."""
    behind: timedelta | None = None
    """The time by which that clock is behind, once it was needed."""

    def read(self, time: Any, metadata: Any) -> tuple[str, tuple[str, ...]]:
        """The time in `time` or `metadata.time`, or in its `create` or `insert`, with notes for the log.

        An event without a readable time has that of its arrival.
        """
        value = _raw_time(time)
        if value is None:
            value = _raw_time(metadata.get("time")) if isinstance(metadata, dict) else None
        if value is None:
            return self.received, ()
        if self.behind is None:
            self.behind = self._clock_behind()
        try:
            created = read_time(value)
            if self.behind:
                created = timestamp(datetime.fromisoformat(created) + self.behind)
        except (ValueError, OverflowError):
            return self.received, (f"The event's time {_shown(value)} cannot be read: the server's time is used.",)
        if created > self.received:
            later = f"The event's time {created} is later than its arrival"
            return created, (f"{later}: for the rules it happened at {self.received}.",)
        return created, ()

    def _clock_behind(self) -> timedelta:
        """The time by which the client's clock is behind, negative if it is ahead; zero if it is right to a minute."""
        for name, value in zip(
            ("sentAt", "x-timestamp"), map(_raw_time, (self.sent_at, self.header or None)), strict=True
        ):
            if value is None:
                continue
            try:
                sent = read_time(value)
            except ValueError:
                self.notes += (f"The time {_shown(value)} in `{name}` cannot be read: it is not used.",)
                continue
            behind = datetime.fromisoformat(self.received) - datetime.fromisoformat(sent)
            if abs(behind) <= MAX_SKEW:
                break
            is_wrong = f"The client's clock is {abs(behind)} {'ahead' if behind < NO_SKEW else 'behind'} (`{name}`)"
            self.notes += (f"{is_wrong}: the times of the events are corrected.",)
            return behind
        return NO_SKEW


def _shown(value: Any) -> str:
    return repr(str(value)[:64])


def _raw_time(time: Any) -> Any:
    """The time itself, None when there is none. Forms send an empty text, PHP writes an empty object as `[]`."""
    if isinstance(time, dict):
        create, insert = time.get("create"), time.get("insert")
        time = insert if create in EMPTY and insert is not None else create
    return None if time == [] else time
