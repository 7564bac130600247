"""What one call does to its profile: the heart of trackd, and pure. No actor, no database, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from trackd.actors.messages import LogEntry, NumberedEvent, Track, Tracked, TrackedEvent
from trackd.actors.profile_document import apply, new_profile, shareable, stamped, visited
from trackd.actors.session_document import is_due, session_after
from trackd.storage.documents import Event, JsonObject, Profile, Session, Source
from trackd.storage.store import Changes, Fence


class Known(Struct, frozen=True):
    """What a profile's actor knows when a call comes; `profile` and `session` are None when there is none yet.

    `event_ids`: those of the call's own event ids that the profile already has, each with its `seq`. `orphan`: the
    session comes from a profile that is gone.
    """

    profile_id: str
    profile: Profile | None
    session: Session | None
    event_ids: Mapping[str, int | None]
    orphan: bool = False


class Decision(Struct, frozen=True):
    """The profile after the call, what is to be written, and the answer once it is written."""

    profile: Profile
    changes: Changes
    answer: Tracked


@dataclass(slots=True)
class _Applied:
    """The events of one call, applied one after the other."""

    doc: JsonObject
    seq: int
    stored: list[Event]
    listed: list[NumberedEvent]
    new_ids: dict[str, int | None]
    processed: int = 0


def decide(known: Known, call: Track, source: Source, max_session_bytes: int) -> Decision:
    """Apply a call: the visit of a new session, then the events in their order."""
    before = known.profile
    fence = Fence(known.profile_id, before.seq, before.revision) if before else Fence(known.profile_id, 0, 0)
    doc = before.doc if before else new_profile(known.profile_id, call.received)
    visit = call.save_session and _is_visit(known)
    if visit:
        doc = visited(doc, call.received)
    applied = _apply_events(known, call, doc, fence.seq)

    session, fits = None, True
    if call.save_session:
        session, fits = session_after(known.session, call, known.profile_id, max_session_bytes)
    session_saved = session is not None and _says_more(session, known.session)
    writes_session = session_saved
    if session is not None and known.session is not None and not session_saved:
        writes_session = is_due(session, known.session)
        session = session if writes_session else known.session

    # A session that says more raises the profile's revision too: the fence guards both with one number.
    profile, written = before, None
    if profile is None or applied.processed or session_saved:
        doc = stamped(applied.doc, applied.seq, call.received)
        profile = written = Profile(known.profile_id, applied.seq, fence.revision + 1, doc)

    changes = Changes(
        fence=fence,
        profile=written,
        session=session,
        session_was=known.session.profile_id if known.session else None,
        writes_session=writes_session,
        events=tuple(applied.stored),
        event_ids=applied.new_ids or None,
    )
    answer = Tracked(
        number=call.number,
        profile_id=known.profile_id,
        session_id=call.session_id,
        consent=source.consent,
        profile=shareable(profile.doc) if call.wants_profile and source.returns_profile else None,
        debug=call.debug,
        events=tuple(applied.listed),
        profile_saved=before is None or visit,
        session_saved=session_saved,
        session_kept=call.save_session,
        logs=_logs(call, source, fits, max_session_bytes),
    )
    return Decision(profile, changes, answer)


def _is_visit(known: Known) -> bool:
    """A session is one visit: of the profile that it begins with, or that takes it over from one that is gone."""
    return known.session is None or (known.orphan and known.session.profile_id != known.profile_id)


def _apply_events(known: Known, call: Track, doc: JsonObject, seq: int) -> _Applied:
    applied = _Applied(doc, seq, stored=[], listed=[], new_ids={})
    for event in call.events:
        if event.own_id and (event.id in known.event_ids or event.id in applied.new_ids):
            first = applied.new_ids[event.id] if event.id in applied.new_ids else known.event_ids[event.id]
            again = True
        else:
            first, again = _apply_event(known.profile_id, call, event, applied), False
        if first is not None and event.debug:
            applied.listed.append(NumberedEvent(event.id, event.type, first, saved=not again))
    return applied


def _apply_event(profile_id: str, call: Track, event: TrackedEvent, applied: _Applied) -> int | None:
    applied.doc = apply(applied.doc, event.type)
    applied.processed += 1
    seq = None
    if event.store:
        applied.seq = seq = applied.seq + 1
        applied.stored.append(_event(profile_id, seq, call, event))
    if event.own_id:
        applied.new_ids[event.id] = seq
    return seq


def _event(profile_id: str, seq: int, call: Track, event: TrackedEvent) -> Event:
    return Event(
        id=event.id,
        profile_id=profile_id,
        seq=seq,
        session_id=call.session_id,
        source_id=call.source_id,
        type=event.type,
        created=event.created,
        inserted=call.received,
        status="collected",
        ip=call.ip,
        properties=event.properties,
        context=event.context,
        config=event.config,
        tags="[]",
    )


def _says_more(session: Session, before: Session | None) -> bool:
    """Whether more changed than the time of the last call. What a merge left alone is still the same object."""
    return (
        before is None
        or session.profile_id != before.profile_id
        or session.context is not before.context
        or session.properties is not before.properties
    )


def _logs(call: Track, source: Source, fits: bool, max_session_bytes: int) -> tuple[LogEntry, ...]:
    logs = [LogEntry("warning", note, event.id) for event in call.events if event.log for note in event.notes]
    if call.log and call.wants_profile and not source.returns_profile:
        logs.append(
            LogEntry("warning", f"The profile is left out: source `{source.id}` does not have returns_profile.")
        )
    if call.log and not fits:
        logs.append(
            LogEntry(
                "warning",
                "context and properties of this call were not added to the session: "
                f"it would be larger than {max_session_bytes} bytes (limits.max_session_bytes).",
            )
        )
    return tuple(logs)
