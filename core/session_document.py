"""The session after a call. Pure."""

from datetime import datetime, timedelta

from msgspec import Raw

from trackd.core.calls import Track
from trackd.core.documents import JsonObject, Session, timestamp
from trackd.core.encoding import json_object, json_raw, size_of
from trackd.core.json_values import same

UPDATED_EVERY_S = 10.0
TENS_OF_SECONDS = len("2026-01-31T12:00:0")  # most calls are in the same as the one before
NOTHING = Raw(b"{}")


def session_after(session: Session | None, call: Track, profile_id: str, max_bytes: int) -> tuple[Session, bool]:
    """The session after a call, and whether the call's context and properties fitted into `max_bytes` of JSON."""
    if session is None:
        session = Session(call.session_id, profile_id, call.received, "", NOTHING, NOTHING)
    context = _merged_json(session.context_json, call.context)
    properties = _merged_json(session.properties_json, call.properties)
    content_changed = context is not session.context_json or properties is not session.properties_json
    fits = not content_changed or size_of(context) + size_of(properties) <= max_bytes
    if not fits:
        context, properties = session.context_json, session.properties_json
    updated = session.updated if session.updated > session.inserted else session.inserted
    if call.received > updated:  # calls may be applied later than others
        updated = call.received
    if updated == session.updated and content_changed and fits:
        updated = _next_moment(updated)
    return Session(session.id, profile_id, session.inserted, updated, context, properties), fits


def check_stored_session(session: Session) -> None:
    """Raises ValueError or RecursionError for one that a call cannot change: a disk or another tool has damaged it."""
    for time in (session.inserted, session.updated):
        datetime.fromisoformat(time)
    for text in (session.context_json, session.properties_json):
        json_object(text)


def _merged_json(old: Raw, new: JsonObject | None) -> Raw:
    """`old` itself when nothing changes: most clients send the same with every call."""
    if not new or json_raw(new) == old:
        return old
    before = json_object(old)
    after = merged(before, new)
    return old if after is before else json_raw(after)


def without_content(session: Session) -> Session:
    """The session for a commit that only compares it: its context may be large."""
    return Session(session.id, session.profile_id, session.inserted, session.updated, NOTHING, NOTHING)


def was_silent(session: Session, now: str, seconds: int) -> bool:
    """Whether the last call of a session is that long ago."""
    return datetime.fromisoformat(now) - datetime.fromisoformat(session.updated) >= timedelta(seconds=seconds)


def _next_moment(time: str) -> str:
    """Another content has another time: when the session moves to another profile, the commit compares the time."""
    return timestamp(datetime.fromisoformat(time) + timedelta(microseconds=1))


def is_due(session: Session, before: Session, end_after_s: int = 0) -> bool:
    """Whether a session without other changes is written for the time of its last call.

    It is not written with every call, because that would make commits much larger, unless the next visit depends on it.
    """
    if end_after_s:
        return session.updated != before.updated
    if session.updated[:TENS_OF_SECONDS] == before.updated[:TENS_OF_SECONDS]:
        return False
    since = datetime.fromisoformat(session.updated) - datetime.fromisoformat(before.updated)
    return since.total_seconds() >= UPDATED_EVERY_S


def merged(old: JsonObject, new: JsonObject) -> JsonObject:
    """`old` with the values of `new`, objects merged into objects; `old` itself when nothing changes."""
    result = old
    for key, value in new.items():
        known = old.get(key)
        if type(value) is str and type(known) is str and value == known:
            continue
        if isinstance(known, dict) and isinstance(value, dict):
            value = merged(known, value)
            if value is known:
                continue
        elif key in old and same(known, value):
            continue
        if result is old:
            result = dict(old)
        result[key] = value
    return result
