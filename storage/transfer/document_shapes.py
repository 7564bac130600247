"""What the documents of an export must look like: an import takes no others."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

Id = Annotated[str, Meta(min_length=1)]
Time = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]
Count = Annotated[int, Meta(ge=0, le=2**62)]  # half of what SQLite holds: numbers are moved up
Number = Annotated[int, Meta(ge=1, le=2**62)]


class Named(Struct, frozen=True):
    id: Id


class Visit(Struct, frozen=True):
    count: Count
    last: Time | None
    current: Time | None


class ProfileTime(Struct, frozen=True):
    insert: Time
    update: Time
    visit: Visit


class ProfileMetadata(Struct, frozen=True):
    time: ProfileTime


class Stats(Struct, frozen=True):
    visits: int
    views: int
    counters: dict[str, Any]


class Traits(Struct, frozen=True):
    public: dict[str, Any]
    private: dict[str, Any]


class ProfileDocument(Struct, frozen=True):
    """What the server relies on in a profile's document; what else is in it stays as it is."""

    id: Id
    seq: Count
    metadata: ProfileMetadata
    stats: Stats
    traits: Traits
    pii: dict[str, Any]
    consents: dict[str, Any]
    segments: list[str]
    interests: dict[str, Any]


class SessionTime(Struct, frozen=True):
    insert: Time
    update: Time


class SessionMetadata(Struct, frozen=True):
    time: SessionTime


class SessionDocument(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    profile: Named
    metadata: SessionMetadata
    context: Raw
    properties: Raw


class Anyone(Struct, frozen=True):
    """Empty in an event that was kept when its profile was erased."""

    id: str


class EventTime(Struct, frozen=True):
    create: Time
    insert: Time


class EventMetadata(Struct, frozen=True):
    time: EventTime
    status: Literal["collected", "validated", "invalid"]
    ip: str | None


class EventDocument(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    seq: Count
    type: Id
    profile: Anyone
    session: Anyone
    source: Named
    metadata: EventMetadata
    properties: Raw
    context: Raw
    config: Raw
    tags: Raw
    reasons: Raw  # a list or null
