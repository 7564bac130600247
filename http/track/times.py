"""The time at which an event happened, in the forms that clients send."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import time_ns
from typing import Any

from trackd.core.documents import timestamp
from trackd.core.times import read_time


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


def event_time(time: Any, metadata: Any) -> tuple[str | None, str | None]:
    """The time in `time` or `metadata.time`, or in its `create` or `insert`, and a note when it cannot be read."""
    value = _raw_time(time)
    if value is None:
        value = _raw_time(metadata.get("time")) if isinstance(metadata, dict) else None
    if value is None:
        return None, None
    try:
        return read_time(value), None
    except ValueError:
        return None, f"The event's time {str(value)[:64]!r} cannot be read: the server's time is used."


def _raw_time(time: Any) -> Any:
    """The time itself, None when there is none: PHP writes an empty object as `[]`."""
    if isinstance(time, dict):
        time = time["create"] if time.get("create") is not None else time.get("insert")
    return None if time == [] else time
