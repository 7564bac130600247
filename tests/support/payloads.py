"""Payloads as clients send them, and the header with a token."""

from typing import Any

SOURCE_ID = "test-source"
SESSION_ID = "an existing session"


def bearer(secret: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {secret}"}


def payload(
    session: str, *types: str, profile: str | None = None, source: str = SOURCE_ID, **more: Any
) -> dict[str, Any]:
    """A tracker payload with an event of each type."""
    named = {"profile": {"id": profile}} if profile else {}
    events = [{"type": event_type} for event_type in types]
    return {"source": {"id": source}, "session": {"id": session}, "events": events, **named, **more}
