"""When an event happened, as clients say it."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trackd.storage.documents import timestamp

_DATETIME = TypeAdapter(datetime)


def event_time(time: Any, metadata: Any) -> tuple[str | None, str | None]:
    """The time that `time.create` or `metadata.time` names, and a note when it cannot be read.

    ISO 8601, or epoch in seconds or milliseconds; without a zone it is UTC.
    """
    value = _said(time, metadata)
    if value is None:
        return None, None
    try:
        if isinstance(value, bool):
            raise ValueError("a boolean is no time")
        return timestamp(_DATETIME.validate_python(value)), None
    except (ValidationError, ValueError, OverflowError):
        return None, f"The event's time {str(value)[:64]!r} cannot be read: the server's time is used."


def _said(time: Any, metadata: Any) -> Any:
    if isinstance(time, dict):
        time = time.get("create")
    if time is not None and time != []:
        return time
    said = metadata.get("time") if isinstance(metadata, dict) else None
    if isinstance(said, dict):
        return said["create"] if said.get("create") is not None else said.get("insert")
    return None if said == [] else said
