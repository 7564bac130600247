"""Calls to a running server, and the profile that they change."""

import json
from typing import Any

import httpx

from tests.support.database import rows
from tests.support.payloads import payload
from tests.support.process import Process


def track(server: Process, *events: dict[str, Any] | str, session: str = "s", **more: Any) -> dict[str, Any]:
    """The answer to a call with these events; a text is the type of an event without properties."""
    made = [{"type": event} if isinstance(event, str) else event for event in events]
    headers = more.pop("headers", {})
    response = httpx.post(
        f"{server.url}/track", json=payload(session, events=made, **more), headers=headers, timeout=30
    )
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def document(server: Process) -> dict[str, Any]:
    """The document of the only profile."""
    [profile] = rows(server.db, "SELECT doc FROM profile")
    doc: dict[str, Any] = json.loads(profile["doc"])
    return doc
