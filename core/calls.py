"""A call of `/track`, its answers, and the bases of all requests and answers. All are frozen structs of plain data.

They have no cycles: `gc=False` hides them from the garbage collector, which makes each smaller and sooner made.
"""

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from trackd.core.documents import JsonObject
from trackd.core.rules.faults import Fault
from trackd.core.work import FULL, Allowance


class Answer(Struct, frozen=True, gc=False):
    """The answer to a request."""

    number: int
    """The number of the request."""


A = TypeVar("A", bound=Answer, covariant=True)


class Request(Struct, Generic[A], frozen=True, gc=False):
    """A message that gets an answer of type `A`, or is refused. Each subclass defines `number`."""

    @property
    def number(self) -> int:
        """Each request that enters trackd has a number of its own."""
        raise NotImplementedError


EventOutcome = Literal["stored", "invalid", "not_kept", "duplicate", "unwanted", "without_consent", "rejected"]
"""Each event of an answered call ends in one of these.

`not_kept`: applied, but not stored, as its option `saveEvent` demands. `invalid`: not applied, but stored unless that
option forbids it. `rejected`: part of a call that was refused.
"""


class TrackedEvent(Struct, frozen=True, gc=False):
    """One event of a call, decoded. Fields that end in `_json` are JSON text, ready to store."""

    id: str
    """Given by the client, derived from its Idempotency-Key, or made by trackd."""
    own_id: bool
    """Whether the client gave the id or the key, so that the event can be recognized when it arrives again."""
    type: str
    created: str
    """When the event happened, a timestamp."""
    properties: JsonObject = {}
    context: JsonObject = {}
    properties_json: str = "{}"
    context_json: str = "{}"
    config_json: str = "{}"
    """The event's options, as the client sent them."""
    store: bool = True
    """Whether the event is stored once it is applied; if not, it only changes the profile."""
    debug: bool = True
    """Whether the answer reports on the event."""
    log: bool = True
    """Whether the answer has log entries of the event."""
    notes: tuple[str, ...] = ()
    """Sentences for the log of the answer, for example on a time that cannot be used."""


class LogEntry(Struct, frozen=True):
    """One entry of `debugging.logs`."""

    type: str
    """One of error, warning, info."""
    message: str
    event_id: str | None = None
    rule: str | None = None


class Report(Struct, frozen=True, gc=False):
    """The report on the events of a call, a part of its answer."""

    execution: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    """Event type to the ids of the rules that ran, each with the paths of the profile that it changed."""
    segments: tuple[str, ...] = ()
    """The segments that the profile entered or left."""
    segment_errors: tuple[str, ...] = ()
    """A sentence for each segment whose condition failed."""
    logs: tuple[LogEntry, ...] = ()
    dropped: tuple[str, ...] = ()
    """The reason for each event that was neither stored nor applied."""


EMPTY_REPORT = Report()


class NumberedEvent(Struct, frozen=True, gc=False):
    """A stored event, as the answer lists it."""

    id: str
    type: str
    seq: int
    """The event's number in its profile, from 1."""
    saved: bool
    """Whether this call stored it; False for a duplicate, which an earlier call stored."""


class Tracked(Answer, frozen=True):
    """A call that is on disk."""

    profile_id: str
    session_id: str
    consent: bool
    """Whether the source requires consent."""
    profile: JsonObject | None = None
    """The profile's document after the call, if the answer shows it."""
    debug: bool = True
    """Whether the answer has the part `debugging`."""
    events: tuple[NumberedEvent, ...] = ()
    profile_saved: bool = False
    """Whether the call made the profile or changed its content; counters alone are no such change."""
    session_saved: bool = False
    """Whether the call made the session or changed its content."""
    session_kept: bool = True
    """Whether the call belongs to its session; False if its options keep the session out."""
    logs: tuple[LogEntry, ...] = ()
    """The log entries of the call itself; `report` has those of its events."""
    report: Report = EMPTY_REPORT
    outcomes: Mapping[EventOutcome, int] | None = None
    """How many events had each outcome; None when all are stored and valid."""
    unapplied: tuple["UnappliedEvent", ...] = ()
    """The first events of each outcome that were not applied."""


class UnappliedEvent(Struct, frozen=True):
    """An event of an answered call that had no effect, or is stored as invalid."""

    event: TrackedEvent
    outcome: EventOutcome
    why: str = ""
    """A sentence, if the outcome alone does not show the reason."""
    faults: tuple[Fault, ...] = ()
    """Why it is invalid."""


class InvalidEvent(Struct, frozen=True):
    """An event whose properties do not match their schema."""

    position: int
    """The event's place in the call, from 0."""
    faults: tuple[Fault, ...]


class Rejected(Answer, frozen=True):
    """A call of which nothing is stored.

    It has invalid events, and invalid events of its source are refused. Or it takes too much work, or its ids are too
    long for so many events, or it is postponed.
    """

    events: tuple[InvalidEvent, ...] = ()
    too_much: str | None = None
    """What took the work of the call over `limits.max_call_work`."""
    work: int = 0
    """The units of work until then, see core/work.py."""
    too_long_ids: str | None = None
    """How its ids are too long to be stored with each of its events."""
    is_postponed: bool = False
    """Whether it takes more than its allowance of work, which is known before `Tracker.submit` returns."""


class Track(Request[Tracked | Rejected], frozen=True):
    """One call of `/track`."""

    number: int
    source_id: str
    session_id: str
    received: str
    """When the call arrived, a timestamp."""
    profile_id: str | None = None
    """The profile id that the client sent."""
    derived_profile_id: str | None = None
    """The id of the profile that the call makes if none takes it, so that a retry finds that profile.

    Only a call that does not keep its session has one, if it has an Idempotency-Key or an event with an id of its own.
    None for a random id.
    """
    events: tuple[TrackedEvent, ...] = ()
    context: JsonObject | None = None
    """Merged into the context of the session."""
    properties: JsonObject | None = None
    """Merged into the properties of the session."""
    origin: str | None = None
    """The header Origin."""
    ip: str | None = None
    """The client's address, as far as `privacy.ip` lets it be kept."""
    client: str | None = None
    """The key of the limits of the client; None if it has none. It is neither stored nor logged."""
    user_agent: str | None = None
    """The header User-Agent."""
    save_session: bool = True
    """Whether the call belongs to its session: makes it, counts its visit, updates it."""
    profile_requested: bool = False
    """Whether the client asks for the profile's document in the answer; the source must allow it too."""
    debug: bool = True
    """Whether the answer has the part `debugging`."""
    log: bool = True
    """Whether the answer has log entries of the call itself."""
    notes: tuple[str, ...] = ()
    """Sentences for the log of the answer, on the call itself."""
    allowance: Allowance = FULL
    """The work that it may take at once."""
