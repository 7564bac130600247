"""The bodies of answers, for the API description only: trackd writes them as JSON without filling these structs.

The documents in them are the structs of `core/document_shapes.py`, and `Source`.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from trackd.core.document_shapes import (
    DocumentReference,
    EventDocument,
    ProfileDocument,
    SessionDocument,
    SharedProfile,
)
from trackd.core.documents import Source
from trackd.core.refusal_document import RefusalDocument

SCHEMAS = "#/components/schemas/{name}"
# Structs without a tag cannot stand in a union; `description.py` adds the schemas of both.
EITHER = [{"$ref": SCHEMAS.format(name=shape.__name__)} for shape in (SharedProfile, DocumentReference)]


class Page(Struct, frozen=True):
    next: Annotated[str | None, Meta(description="The `cursor` of the next page; null for the last one.")]


class Profiles(Page, frozen=True):
    result: list[ProfileDocument]


class Sessions(Page, frozen=True):
    result: list[SessionDocument]


class Events(Page, frozen=True):
    result: list[EventDocument]


class Refusals(Page, frozen=True):
    result: list[RefusalDocument]


class Sources(Page, frozen=True):
    total: int
    result: list[Source]


class Segment(Struct, frozen=True):
    """A group of profiles. The rules no longer have one without a name: profiles leave it with their next event."""

    id: str
    name: str | None
    when: Annotated[str | None, Meta(description="Its condition.")]
    event: Annotated[list[str], Meta(description="The types of events after which it is evaluated; empty for any.")]
    reads_profile_only: Annotated[bool, Meta(description="Whether `trackd rules apply` evaluates it.")]
    members: Annotated[int, Meta(description="The number of profiles that are in it.")]


class Segments(Page, frozen=True):
    total: int
    result: list[Segment]


class Count(Struct, frozen=True):
    count: int


class Export(Struct, frozen=True):
    """Everything about a profile."""

    profile: ProfileDocument
    sessions: list[SessionDocument]
    events: list[EventDocument]


class Saved(Struct, frozen=True):
    saved: int
    errors: list[str]
    ids: list[str]
    types: list[str]


class SavedEvents(Saved, frozen=True):
    """`ids`, `types` and `seq` are aligned: the stored events, in the order of the payload."""

    seq: list[int]


class RuleRun(Struct, frozen=True):
    rule: str
    changed: Annotated[list[str], Meta(description="The paths of the profile that it changed.")]


class Segmentation(Struct, frozen=True):
    errors: Annotated[list[str], Meta(description="The segments whose condition failed.")]
    ids: Annotated[list[str], Meta(description="The segments that were entered or left.")]


class LogEntry(Struct, frozen=True):
    type: Literal["error", "warning", "info"]
    event_id: str | None
    rule: str | None
    message: str


class Debugging(Struct, frozen=True):
    """Left out with the option `debugger: false`."""

    session: Saved
    events: SavedEvents
    profile: Saved
    execution: Annotated[dict[str, list[RuleRun]], Meta(description="The rules that ran, by event type.")]
    segmentation: Segmentation
    logs: list[LogEntry]


class SourceConsent(Struct, frozen=True):
    consent: Annotated[bool, Meta(description="Whether the source requires consent.")]


class TrackAnswer(Struct, frozen=True):
    """Events that it reports as saved are committed and synced to disk."""

    profile: Annotated[
        Raw, Meta(description="Another id than was sent: use it from now on.", extra_json_schema={"anyOf": EITHER})
    ]
    session: DocumentReference
    source: SourceConsent
    ux: list[Any]
    response: dict[str, Any]
    debugging: Debugging | UnsetType = UNSET


class Status(Struct, frozen=True):
    status: str


class Versions(Struct, frozen=True):
    """Versions of trackd (`version`), and of Python, SQLite and Thespian under it."""

    version: str
    python: str
    sqlite: str
    thespian: str


class ErrorAnswer(Struct, frozen=True):
    detail: Annotated[str, Meta(description="The fault, and how to avoid it.")]


class Position(Struct, frozen=True):
    reason: str
    oldest: Annotated[str, Meta(description="The oldest cursor that is kept.")]


class LostPosition(Struct, frozen=True):
    detail: Position


class Fault(Struct, frozen=True):
    loc: Annotated[
        list[str | int], Meta(description="The place: `body`, `query`, `path` or `header`, and the keys from there.")
    ]
    msg: str
    type: str


class Faults(Struct, frozen=True):
    """All faults at once."""

    detail: list[Fault]
