"""Events as pages show them."""

from typing import ClassVar

from msgspec import Raw, Struct

from trackd.core.short_texts import contents
from trackd.http.ui.values import (
    MAX_ROWS,
    NULL,
    Moment,
    as_moment,
    as_text,
    as_texts,
    items_of,
    members_of,
    value_at,
    values,
)

PARTS = ("id", "seq", "type", "profile", "metadata", "source", "session", "properties", "context")


class ShownRule(Struct, frozen=True):
    """A rule that ran, with the paths that it changed; `more` is the number of those that are not listed."""

    name: str
    changed: list[str]
    more: str


class ShownEvent(Struct, frozen=True):
    kind: ClassVar[str] = "event"

    id: str
    profile: str
    seq: str
    type: str
    status: str
    source: str
    session: str
    arrived: Moment
    happened: Moment
    contents: str
    reasons: list[str]
    rules: list[ShownRule]

    @property
    def time(self) -> str:
        return self.arrived.value


EVENT_PATTERN = ShownEvent("-", "-", "", "", "collected", "", "", Moment("", ""), Moment("", ""), "", [], [])
"""The one whose row the module of the view Live fills copies of."""


def shown_events(documents: bytes) -> list[ShownEvent]:
    """The events of a page of a list."""
    return [shown_event(event) for event in values(documents)]


def shown_event(event: Raw) -> ShownEvent:
    parts = {**dict.fromkeys(PARTS, NULL), **members_of(event)}
    metadata = parts["metadata"]
    return ShownEvent(
        id=as_text(parts["id"], None),
        profile=as_text(value_at(parts["profile"], "id"), None),
        seq=as_text(parts["seq"]),
        type=as_text(parts["type"]),
        status=as_text(value_at(metadata, "status")),
        source=as_text(value_at(parts["source"], "id")),
        session=as_text(value_at(parts["session"], "id")),
        arrived=as_moment(value_at(metadata, "time", "insert")),
        happened=as_moment(value_at(metadata, "time", "create")),
        contents=contents(bytes(parts["properties"]), bytes(parts["context"])),
        reasons=as_texts(value_at(metadata, "reasons")),
        rules=[
            ShownRule(
                as_text(value_at(rule, "id")), as_texts(value_at(rule, "changed")), as_text(value_at(rule, "more"))
            )
            for rule in items_of(value_at(metadata, "rules"))[:MAX_ROWS]
        ],
    )
