"""The fast payload: the payload of most clients, parsed by msgspec, much faster than by pydantic's models.

A payload that is invalid or unusual is left to `payload.py`, which accepts every form of it and reports all faults.
"""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct, field

from trackd.core.documents import JsonObject
from trackd.core.encoding import finite
from trackd.http.track.blocked_ids import NO_BLOCKED_IDS, BlockedIds
from trackd.http.track.notes import NO_NOTES, Notes

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
    """Has the same fields as a `TrackerPayload`. It has no infinite numbers and no NaN."""

    source: FastReference
    session: FastReference
    events: list[FastEvent]
    profile: FastProfile | None = None
    context: JsonObject = {}
    properties: JsonObject = {}
    options: JsonObject = {}
    sent_at: Any = field(default=None, name="sentAt")
    notes: ClassVar[Notes] = NO_NOTES


_DECODER = msgspec.json.Decoder(FastPayload, float_hook=finite)


def fast_payload(body: bytes, blocked_ids: BlockedIds = NO_BLOCKED_IDS) -> FastPayload | None:
    """The parsed payload, or None when only `payload.py` can parse it or find its faults."""
    try:
        body.decode()  # the decoder does not check the encoding of fields that it ignores
        payload = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    source_id = payload.source.id
    ids = [payload.session.id, *[event.id for event in payload.events if event.id is not None]]
    if payload.profile is not None and payload.profile.id is not None:
        ids.append(payload.profile.id)
    if source_id[0].isspace() or source_id[-1].isspace() or blocked_ids.has_unusual(ids):
        return None  # `payload.py` strips blanks
    return payload
