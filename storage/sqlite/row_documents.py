"""The documents of the contract, from the rows of an SQLite file.

What another tool wrote may be no JSON, and no time: it spoils its own field only.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw

from trackd.core.documents import Event, JsonObject

EVENT_COLUMNS = ", ".join(f"event.{name}" for name in Event._fields)
SESSION_COLUMNS = "id, profile_id, inserted, updated, context, properties"

_raw = msgspec.json.Decoder(Raw).decode
encoded = msgspec.json.Encoder().encode


def event_document(row: Sequence[Any]) -> JsonObject:
    """`row` begins with EVENT_COLUMNS."""
    event_id, profile_id, seq, session_id, source_id, event_type, created, inserted, status, ip = row[:10]
    properties, context, config, tags, reasons = row[10:15]
    return {
        "id": event_id,
        "seq": seq,
        "type": event_type,
        "profile": {"id": profile_id},
        "session": {"id": session_id},
        "source": {"id": source_id},
        "metadata": {
            "time": {"create": created, "insert": inserted},
            "status": status,
            "ip": ip,
            "reasons": [] if reasons is None else _json(reasons) or [],
        },
        "properties": _json(properties),
        "context": _json(context),
        "config": _json(config),
        "tags": _json(tags),
    }


def session_document(row: Sequence[Any]) -> JsonObject:
    """`row` begins with SESSION_COLUMNS. The duration is in seconds."""
    session_id, profile_id, inserted, updated, context, properties = row[:6]
    return {
        "id": session_id,
        "profile": {"id": profile_id},
        "metadata": {
            "time": {"insert": inserted, "update": updated, "duration": _seconds(inserted, updated)},
        },
        "context": _json(context),
        "properties": _json(properties),
    }


def array(texts: Iterable[str]) -> bytes:
    """Of values that are JSON text already."""
    return f"[{','.join(texts)}]".encode()


def _json(text: Any) -> Raw | None:
    try:
        return _raw(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _seconds(begin: Any, end: Any) -> float | None:
    try:
        return round((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds(), 3)
    except (ValueError, TypeError):
        return None
