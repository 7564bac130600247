"""A call of `/track` as the actors take it, and what they answer: plain data, frozen."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from trackd.core.documents import JsonObject
from trackd.core.rules.schemas import Fault


class LogEntry(Struct, frozen=True):
    """One entry of `debugging.logs`. `type` is "error", "warning" or "info"."""

    type: str
    message: str
    event_id: str | None = None
    rule: str | None = None


class Report(Struct, frozen=True):
    """What the events of a call have to tell.

    `execution`: event type to the rules that ran, each with the paths of the profile that it changed. `segments`:
    those that were entered or left. `dropped`: the reason for each event that was neither stored nor applied.
    """

    execution: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    segments: tuple[str, ...] = ()
    segment_errors: tuple[str, ...] = ()
    logs: tuple[LogEntry, ...] = ()
    dropped: tuple[str, ...] = ()


EMPTY_REPORT = Report()


# What became of an event: each ends in one of them. `not_kept`: it was applied, and by its option not stored.
EventOutcome = Literal["stored", "invalid", "not_kept", "duplicate", "unwanted", "without_consent", "rejected"]


class TrackedEvent(Struct, frozen=True):
    """One event of a call, decoded. What ends in `_json` is text, ready to store; `config` are the event's options.

    `own_id`: the id is the client's (or derived from its idempotency key), so the event may come again.
    `store`, `debug`, `log`: the options of the event, the payload's defaults included. `notes` are for the log.
    """

    id: str
    own_id: bool
    type: str
    created: str
    properties: JsonObject = {}
    context: JsonObject = {}
    properties_json: str = "{}"
    context_json: str = "{}"
    config_json: str = "{}"
    store: bool = True
    debug: bool = True
    log: bool = True
    notes: tuple[str, ...] = ()


class Track(Struct, frozen=True):
    """One call of `/track`. `number` is the call's own; `received` a timestamp; `profile_id` what the client knows."""

    number: int
    source_id: str
    session_id: str
    received: str
    profile_id: str | None = None
    events: tuple[TrackedEvent, ...] = ()
    context: JsonObject | None = None
    properties: JsonObject | None = None
    origin: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    save_session: bool = True
    wants_profile: bool = False
    debug: bool = True
    log: bool = True


class NumberedEvent(Struct, frozen=True):
    """An event as the answer lists it. `saved`: stored by this call, not by an earlier one."""

    id: str
    type: str
    seq: int
    saved: bool


class Tracked(Struct, frozen=True):
    """A call that is on disk. `profile` is the document when the answer carries it; without `debug` it has no rest.

    `logs` are of the call itself; those of its events are in `told`. `outcomes` say how many of them ended how, None
    that all are stored and valid.
    """

    number: int
    profile_id: str
    session_id: str
    consent: bool
    profile: JsonObject | None = None
    debug: bool = True
    events: tuple[NumberedEvent, ...] = ()
    profile_saved: bool = False
    session_saved: bool = False
    session_kept: bool = True
    logs: tuple[LogEntry, ...] = ()
    report: Report = EMPTY_REPORT
    outcomes: Mapping[EventOutcome, int] | None = None


class InvalidEvent(Struct, frozen=True):
    """An event whose properties do not match their schema; `position` is its place in the call."""

    position: int
    faults: tuple[Fault, ...]


class Rejected(Struct, frozen=True):
    """A call with invalid events, of a source that has them refused. Nothing of it is kept."""

    number: int
    events: tuple[InvalidEvent, ...]
