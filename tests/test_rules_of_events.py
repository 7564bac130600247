"""The rules that ran, stored with each event."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

from tests.support.process import Process
from tests.support.tracking import track
from trackd.storage.sqlite.listings import SqliteListings

Serve = Callable[..., Process]


def rules_of(server: Process, event_id: str) -> list[dict[str, Any]]:
    with contextlib.closing(SqliteListings(server.db)) as listings:
        found: list[dict[str, Any]] = json.loads(listings.event(event_id) or "")["metadata"]["rules"]
    return found


def test_an_event_is_stored_with_the_rules_that_ran_and_the_paths_that_they_changed(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    path = rules(
        """
        [[rule]]
        name = "interests"
        event = "view"
        steps = [{ target = "interests.*", op = "increment", from = "properties" }]
        [[rule]]
        name = "dear"
        event = "view"
        when = "event.properties.price > 100"
        steps = [{ target = "traits.public.dear", value = true }]
        """
    )
    server = serve(TRACKD_RULES_PATH=path)
    view = {"type": "view", "properties": {"price": 1}}
    dear = {"type": "view", "properties": {"price": 101, "<b>": 1}}
    saved = track(server, view, dear, "other")["debugging"]["events"]["ids"]
    assert [rules_of(server, event_id) for event_id in saved] == [
        [{"id": "interests", "changed": ["interests.price"]}],
        [
            {"id": "interests", "changed": ["interests.price", "interests.<b>"]},
            {"id": "dear", "changed": ["traits.public.dear"]},
        ],
        [],
    ]
    server.stop()
    server = serve(TRACKD_RULES_PATH=path, TRACKD_LIMITS_MAX_TRACE_BYTES="0")
    [event_id] = track(server, dear)["debugging"]["events"]["ids"]
    assert rules_of(server, event_id) == []
    assert rules_of(server, saved[0]) != []
