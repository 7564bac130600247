"""Stored events, as rows of a list and as pages show them field by field."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from trackd.core.document_shapes import Owner
from trackd.core.short_texts import MAX_TEXT, contents, shortened


class _Times(Struct):
    create: str
    insert: str


class _Rule(Struct):
    id: str
    changed: list[str]
    more: int = 0


class _Metadata(Struct):
    time: _Times
    status: str
    reasons: list[Any] | None = None
    rules: list[_Rule] | None = None


class ShownEvent(Struct):
    """An event as far as pages show it field by field."""

    id: str
    type: str
    profile: Owner
    session: Owner
    source: Owner
    metadata: _Metadata
    properties: Raw
    context: Raw = Raw(b"{}")


class EventRow(Struct, frozen=True):
    """An event as a row. `source` is a name, `profile` an id, which is empty after an erasure."""

    kind: ClassVar[str] = "event"

    id: str
    type: str
    profile: str
    source: str
    time: str
    status: str
    reasons: str
    contents: str


shown_event = msgspec.json.Decoder(ShownEvent).decode
_events = msgspec.json.Decoder(list[ShownEvent]).decode
EVENT_PATTERN = EventRow("-", "", "-", "", "", "collected", "", "")
"""The row that the module of the page fills copies of."""


def event_rows(documents: bytes, names: Mapping[str, str]) -> list[EventRow]:
    """`documents` is a JSON list, `names` the names of the sources by their ids."""
    return [_row(event, names) for event in _events(documents)]


def _row(event: ShownEvent, names: Mapping[str, str]) -> EventRow:
    metadata = event.metadata
    return EventRow(
        event.id,
        event.type,
        event.profile.id,
        names.get(event.source.id, event.source.id),
        metadata.time.insert,
        metadata.status,
        shortened("; ".join(map(str, metadata.reasons or ())), MAX_TEXT),
        contents(bytes(event.properties), bytes(event.context)),
    )
