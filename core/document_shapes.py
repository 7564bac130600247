"""The documents of the contract: one shape for each, whatever reads or writes it.

`GET`, lists, exports, imports, the OpenAPI schemas and `trackd rules try` use these structs. JSON that is stored as
text is carried as `Raw`, byte for byte. A source has no struct here: `trackd.core.documents.Source` is its document.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from trackd.core.documents import Event, Session, TimeText

Id = Annotated[str, Meta(min_length=1)]
Time = Annotated[TimeText, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z(?!\n)$")]
Count = Annotated[int, Meta(ge=0, le=2**62)]  # half of SQLite's largest integer: an import moves numbers up
Object = dict[str, Any]
RawObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
RawTexts = Annotated[Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]
RULE_RUN = {
    "type": "object",
    "required": ["id", "changed"],
    "properties": {
        "id": {"type": "string", "description": "The name of the rule."},
        "changed": {"type": "array", "items": {"type": "string"}, "description": "The paths that it changed."},
        "more": {
            "type": "integer",
            "description": "How many further paths it changed, when they were too many to list.",
        },
    },
}
RawRuns = Annotated[Raw, Meta(extra_json_schema={"type": "array", "items": RULE_RUN, "default": []})]
# From and to the JSON text of a column. The second argument is `dict` or `list`, the expected type of the value.
ToRaw = Callable[[Any, type], Raw]
ToText = Callable[[Raw, type], str]
EMPTY_LIST = Raw(b"[]")


class DocumentReference(Struct, frozen=True):
    """A document by its id."""

    id: Id


class Owner(Struct, frozen=True):
    """A profile or session by its id, which is empty for an event that was kept when its profile was erased."""

    id: str


class Visits(Struct, frozen=True):
    count: Count
    last: Time | None
    current: Time | None


class ProfileTimes(Struct, frozen=True):
    insert: Time
    update: Time
    visit: Visits


class ConsentChange(Struct, frozen=True):
    id: str
    change: Literal["granted", "withdrawn", "expired"]
    time: Time
    received: (
        Annotated[
            Time, Meta(description="When a withdrawal last arrived, if later than `time`: older grants have no effect.")
        ]
        | UnsetType
    ) = UNSET


History = Annotated[list[ConsentChange], Meta(description="Grants, withdrawals and expiries, the oldest first.")]


class ProfileMetadata(Struct, frozen=True):
    """`consents` is missing until the first consent is granted or refused."""

    time: ProfileTimes
    consents: History | UnsetType = UNSET


class ProfileStats(Struct, frozen=True):
    visits: Count
    views: Count
    counters: Annotated[dict[str, int | float], Meta(description="Processed events by type.")]


class Consent(Struct, frozen=True):
    """A consent that is granted now; without `expires` it does not end."""

    granted: Time
    expires: Time | UnsetType = UNSET


class PublicTraits(Struct, frozen=True):
    public: Object


class Traits(PublicTraits, frozen=True):
    private: Object


class SharedProfile(Struct, frozen=True):
    """A profile without `pii` and `traits.private`, as `POST /track` answers it."""

    id: Id
    seq: Annotated[Count, Meta(description="The number of its last stored event.")]
    metadata: ProfileMetadata
    stats: ProfileStats
    traits: PublicTraits
    consents: dict[str, Consent]
    segments: list[str]
    interests: Object
    ids: list[str]
    active: bool


class ProfileDocument(SharedProfile, frozen=True):
    """A person. Fields that another tool added to the stored document are answered and exported unchanged."""

    traits: Traits
    pii: Object


class SessionTimes(Struct, frozen=True):
    insert: Time
    update: Time
    duration: Annotated[float | None, Meta(description="Seconds from `insert` to `update`.")]


class SessionMetadata(Struct, frozen=True):
    time: SessionTimes


class SessionDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """A visit of a profile."""

    id: Id
    profile: DocumentReference
    metadata: SessionMetadata
    context: RawObject
    properties: RawObject

    @classmethod
    def of_row(cls, row: Sequence[Any], raw: ToRaw) -> Self:
        """`row` begins with the fields of `Session`, its JSON as text."""
        session_id, profile_id, inserted, updated, context, properties = row[: len(Session.__struct_fields__)]
        return cls(
            session_id,
            DocumentReference(profile_id),
            SessionMetadata(SessionTimes(inserted, updated, _seconds(inserted, updated))),
            raw(context, dict),
            raw(properties, dict),
        )

    def row(self, text: ToText) -> tuple[Any, ...]:
        """The reverse of `of_row`."""
        time = self.metadata.time
        return (
            self.id,
            self.profile.id,
            time.insert,
            time.update,
            text(self.context, dict),
            text(self.properties, dict),
        )


class EventTimes(Struct, frozen=True):
    create: Annotated[Time, Meta(description="When it happened.")]
    insert: Annotated[Time, Meta(description="When it arrived.")]


class EventMetadata(Struct, frozen=True):
    time: EventTimes
    status: Literal["collected", "validated", "invalid"]
    ip: str | None
    reasons: Annotated[RawTexts, Meta(description="Why it is invalid.")]
    rules: Annotated[
        RawRuns, Meta(description="The rules that ran, each with the paths of the profile that it changed.")
    ] = field(default_factory=lambda: EMPTY_LIST)  # of lines that were exported before there was this field


class EventDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened.

    An event that was kept when its profile was erased has an empty `profile.id` and `session.id`, and `seq` 0.
    """

    id: Id
    seq: Annotated[
        Count, Meta(description="Its number among the stored events of its profile: 1, 2, 3, ... without gap.")
    ]
    type: Id
    profile: Owner
    session: Owner
    source: DocumentReference
    metadata: EventMetadata
    properties: RawObject
    context: RawObject
    config: Annotated[RawObject, Meta(description="The options that it was sent with.")]
    tags: RawTexts

    @classmethod
    def of_row(cls, row: Sequence[Any], raw: ToRaw) -> Self:
        """`row` begins with the fields of `Event`."""
        event_id, profile_id, seq, session_id, source_id, event_type, created, inserted, status, ip = row[:10]
        properties, context, config, tags, reasons, rules = row[10:16]
        return cls(
            event_id,
            seq,
            event_type,
            Owner(profile_id),
            Owner(session_id),
            DocumentReference(source_id),
            EventMetadata(
                EventTimes(created, inserted),
                status,
                ip,
                EMPTY_LIST if reasons is None else raw(reasons, list),
                EMPTY_LIST if rules is None else raw(rules, list),
            ),
            raw(properties, dict),
            raw(context, dict),
            raw(config, dict),
            raw(tags, list),
        )

    def row(self, text: ToText) -> Event:
        """The reverse of `of_row`."""
        metadata = self.metadata
        return Event(
            self.id,
            self.profile.id,
            self.seq,
            self.session.id,
            self.source.id,
            self.type,
            metadata.time.create,
            metadata.time.insert,
            metadata.status,
            metadata.ip,
            text(self.properties, dict),
            text(self.context, dict),
            text(self.config, dict),
            text(self.tags, list),
            None if metadata.reasons == EMPTY_LIST else text(metadata.reasons, list),
            None if metadata.rules == EMPTY_LIST else text(metadata.rules, list),
        )


def _seconds(begin: Any, end: Any) -> float | None:
    """None for times that another tool wrote in another form."""
    try:
        return round((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds(), 3)
    except (ValueError, TypeError):
        return None
