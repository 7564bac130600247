"""The time at which an event happened, in the forms that clients send."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import time_ns
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trackd.core.documents import timestamp

_DATETIME = TypeAdapter(datetime)


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
    """The time in `time.create` or `metadata.time` as a timestamp, and a note when it cannot be read.

    It is ISO 8601, or epoch in seconds or milliseconds; a time without a zone is UTC.
    """
    value = _raw_time(time, metadata)
    if value is None:
        return None, None
    try:
        if isinstance(value, bool):
            raise ValueError("a boolean is no time")
        return timestamp(_DATETIME.validate_python(value)), None
    except (ValidationError, ValueError, OverflowError):
        return None, f"The event's time {str(value)[:64]!r} cannot be read: the server's time is used."


def _raw_time(time: Any, metadata: Any) -> Any:
    if isinstance(time, dict):
        time = time.get("create")
    if time is not None and time != []:
        return time
    value = metadata.get("time") if isinstance(metadata, dict) else None
    if isinstance(value, dict):
        return value["create"] if value.get("create") is not None else value.get("insert")
    return None if value == [] else value
