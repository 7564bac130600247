"""The time at which an event happened, in the forms that clients send."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Any

from trackd.core.documents import timestamp
from trackd.core.times import read_time

EMPTY: tuple[Any, ...] = None, "", [], {}
NO_SKEW, MAX_SKEW = timedelta(), timedelta(minutes=1)


class Clock:
    """The present time as a timestamp. The part that is the same for a second is cached, as every call needs it."""

    def __init__(self, microseconds: Callable[[], int] = lambda: time_ns() // 1_000) -> None:
        """`microseconds` returns the microseconds since 1970."""
        self._microseconds = microseconds
        self._second = -1
        self._prefix = ""

    def __call__(self) -> str:
        second, microsecond = divmod(self._microseconds(), 1_000_000)
        if second != self._second:
            self._prefix = timestamp(datetime.fromtimestamp(second, UTC))[: -len("000000Z")]
            self._second = second
        return f"{self._prefix}{microsecond:06}Z"


class EventTimes:
    """Reads the times of the events of one call, and corrects them when the client's clock is wrong.

    `notes`: sentences on that clock for the log of the answer, once an event with a time was read.
    """

    __slots__ = ("_behind", "_sent", "notes", "received")

    def __init__(self, received: str, sent_at: Any = None, header: str | None = None) -> None:
        """`received`: when the call arrived. `sent_at` and `header` (x-timestamp): when it was sent, if known."""
        self.received = received
        self._sent = sent_at, header or None
        self._behind: timedelta | None = None
        self.notes: tuple[str, ...] = ()

    def read(self, time: Any, metadata: Any) -> tuple[str, tuple[str, ...]]:
        """The time in `time` or `metadata.time`, or in its `create` or `insert`, with notes for the log.

        An event without a readable time has that of its arrival.
        """
        value = _raw_time(time)
        if value is None:
            value = _raw_time(metadata.get("time")) if isinstance(metadata, dict) else None
        if value is None:
            return self.received, ()
        if self._behind is None:
            self._behind = self._clock_behind()
        try:
            created = read_time(value)
            if self._behind:
                created = timestamp(datetime.fromisoformat(created) + self._behind)
        except (ValueError, OverflowError):
            return self.received, (f"The event's time {_shown(value)} cannot be read: the server's time is used.",)
        if created > self.received:
            later = f"The event's time {created} is later than its arrival"
            return created, (f"{later}: for the rules it happened at {self.received}.",)
        return created, ()

    def _clock_behind(self) -> timedelta:
        """The time by which the client's clock is behind, negative if it is ahead; zero if it is right to a minute."""
        for name, value in zip(("sentAt", "x-timestamp"), map(_raw_time, self._sent), strict=True):
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
