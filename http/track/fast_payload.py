"""The payloads of most clients, parsed and checked in a seventh of the time that pydantic's models take.

What is not plain and valid is left to `payload.py`, which knows all that clients may say and what to answer them.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trackd.core.documents import JsonObject

Text = Annotated[str, Meta(min_length=1, max_length=255)]


class FastReference(Struct, frozen=True):
    id: Text


class FastProfile(Struct, frozen=True):
    id: Text | None = None


class FastEvent(Struct, frozen=True):
    type: Text
    id: Text | None = None
    properties: JsonObject = {}
    context: JsonObject = {}
    options: JsonObject = {}
    time: Any = None
    metadata: Any = None


class FastPayload(Struct, frozen=True):
    """Reads as a `TrackerPayload` does. JSON can say all numbers in it."""

    source: FastReference
    session: FastReference
    events: list[FastEvent]
    profile: FastProfile | None = None
    context: JsonObject = {}
    properties: JsonObject = {}
    options: JsonObject = {}


_DECODER = msgspec.json.Decoder(FastPayload)


def fast_payload(body: bytes) -> FastPayload | None:
    """None when it is not usual, whatever the reason."""
    try:
        body.decode()  # the decoder passes over the bytes of fields that are ignored
        payload = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    ids = [payload.source.id, payload.session.id, *[event.id for event in payload.events if event.id is not None]]
    if payload.profile is not None and payload.profile.id is not None:
        ids.append(payload.profile.id)
    for one in ids:
        if one[0].isspace() or one[-1].isspace():
            return None
    return payload
