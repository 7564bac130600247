"""The body of a call: the full payload of Tracardi's documentation, with a given number of its events."""

import json
from itertools import cycle, islice
from pathlib import Path

BODY = Path(__file__).with_name("body.json")
SOURCE_ID = json.loads(BODY.read_text())["source"]["id"]
EVENTS = 3  # of the body as it is


def body(events: int = EVENTS, *, own_ids: bool = False) -> str:
    """JSON in which SESSION stands for the session's id, and with `own_ids` EVENT_ID for that of each event."""
    payload = json.loads(BODY.read_text())
    payload["events"] = list(islice(cycle(payload["events"]), events))
    if own_ids:
        payload["events"] = [{"id": "EVENT_ID", **event} for event in payload["events"]]
    return json.dumps(payload)
