"""What a 200 carries, for the description of the API only: these models are never filled.

The documents that are answered come as text from the store, or from the actors as they are.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T12:00:00.000000Z"])]
Object = dict[str, Any]


class DocumentReference(BaseModel):
    """A document by its id."""

    id: str


class Visits(BaseModel):
    count: int
    last: Time | None
    current: Time | None


class ProfileTimes(BaseModel):
    insert: Time
    update: Time
    visit: Visits


class ConsentChange(BaseModel):
    id: str
    change: Literal["granted", "withdrawn", "expired"]
    time: Time


class ProfileMetadata(BaseModel):
    time: ProfileTimes
    consents: list[ConsentChange] = Field(
        default_factory=list, description="What was granted, withdrawn and expired, the oldest first."
    )


class ProfileStats(BaseModel):
    visits: int
    views: int
    counters: Object = Field(description="Processed events by type.")


class Consent(BaseModel):
    granted: Time
    expires: Time | None = None


class PublicTraits(BaseModel):
    public: Object


class Traits(PublicTraits):
    private: Object


class SharedProfile(BaseModel):
    """A profile without `pii` and `traits.private`."""

    id: str
    seq: int = Field(description="The number of its last stored event.")
    metadata: ProfileMetadata
    stats: ProfileStats
    traits: PublicTraits
    consents: dict[str, Consent]
    segments: list[str]
    interests: Object
    ids: list[str]
    active: bool


class Profile(SharedProfile):
    """All that is known of a person."""

    traits: Traits
    pii: Object


class SessionTimes(BaseModel):
    insert: Time
    update: Time
    duration: float = Field(description="In seconds.")


class SessionMetadata(BaseModel):
    time: SessionTimes


class Session(BaseModel):
    id: str
    profile: DocumentReference
    metadata: SessionMetadata
    context: Object
    properties: Object


class EventTimes(BaseModel):
    create: Time = Field(description="When it happened.")
    insert: Time = Field(description="When it arrived.")


class EventMetadata(BaseModel):
    time: EventTimes
    status: Literal["collected", "validated", "invalid"]
    ip: str | None
    reasons: list[str] = Field(description="Why it is invalid.")


class Event(BaseModel):
    """Of an erased profile whose events stay, `profile.id` and `session.id` are empty and `seq` is 0."""

    id: str
    seq: int = Field(description="Its number among the stored events of its profile: 1, 2, 3, ... without gap.")
    type: str
    profile: DocumentReference
    session: DocumentReference
    source: DocumentReference
    metadata: EventMetadata
    properties: Object
    context: Object
    config: Object = Field(description="The options it was sent with.")
    tags: list[str]


class SourceTimes(BaseModel):
    insert: Time
    update: Time


class SourceMetadata(BaseModel):
    time: SourceTimes


class Source(BaseModel):
    """Who may send events."""

    id: str
    name: str
    description: str
    enabled: bool
    consent: bool
    returns_profile: bool
    permanent_profile_id: bool
    origins: list[str]
    rate_limit: float | None
    tags: list[str]
    metadata: SourceMetadata


class Page(BaseModel):
    next: str | None = Field(description="The `cursor` of the next page; null for the last one.")


class Profiles(Page):
    result: list[Profile]


class Sessions(Page):
    result: list[Session]


class Events(Page):
    result: list[Event]


class Sources(Page):
    total: int
    result: list[Source]


class Count(BaseModel):
    count: int


class Export(BaseModel):
    """Everything about a profile."""

    profile: Profile
    sessions: list[Session]
    events: list[Event]


class Saved(BaseModel):
    saved: int
    errors: list[str]
    ids: list[str]
    types: list[str]


class SavedEvents(Saved):
    """`ids`, `types` and `seq` are aligned: the stored events, in the order of the payload."""

    seq: list[int]


class RuleRun(BaseModel):
    rule: str
    changed: list[str] = Field(description="The paths of the profile that it changed.")


class Segmentation(BaseModel):
    errors: list[str] = Field(description="The segments whose condition failed.")
    ids: list[str] = Field(description="The segments that were entered or left.")


class LogEntry(BaseModel):
    type: Literal["error", "warning", "info"]
    event_id: str | None
    rule: str | None
    message: str


class Debugging(BaseModel):
    session: Saved
    events: SavedEvents
    profile: Saved
    execution: dict[str, list[RuleRun]] = Field(description="The rules that ran, by event type.")
    segmentation: Segmentation
    logs: list[LogEntry]


class SourceConsent(BaseModel):
    consent: bool = Field(description="Whether the source requires consent.")


class TrackAnswer(BaseModel):
    """What it reports as saved is committed and synced to disk."""

    debugging: Debugging | None = Field(None, description="Left out with the option `debugger: false`.")
    profile: SharedProfile | DocumentReference = Field(description="Another id than was sent: use it from now on.")
    session: DocumentReference
    source: SourceConsent
    ux: list[Any]
    response: Object


class Status(BaseModel):
    status: str


class Versions(BaseModel):
    """Of trackd as `version`, and of what it stands on."""

    version: str
    python: str
    sqlite: str
    thespian: str


class ErrorAnswer(BaseModel):
    detail: str = Field(description="What was wrong, and what to do.")


class Fault(BaseModel):
    loc: list[str | int] = Field(description="Where: `body`, `query`, `path` or `header`, and the way from there.")
    msg: str
    type: str


class Faults(BaseModel):
    """All faults at once."""

    detail: list[Fault]
