"""What one call does to its profile: the heart of trackd, and pure. No actor, no database, no clock."""

from msgspec import Struct
from msgspec.structs import replace

from trackd.config.settings import Limits
from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.changes import Changes, Fence
from trackd.core.documents import Profile, Session, Source
from trackd.core.encoding import json_raw, size_of
from trackd.core.processing import EventReport, Processing, Snapshot
from trackd.core.profile_document import new_profile, shareable, stamp, visit
from trackd.core.reporting import build_report, call_logs, is_visible_change, outcomes
from trackd.core.rules.consents import expire
from trackd.core.rules.draft import Draft
from trackd.core.rules.ruleset import RuleSet
from trackd.core.session_document import is_due, session_after


class Decision(Struct, frozen=True):
    """The profile after the call, what is to be written, and the answer once it is written.

    `reports` tell of events; the answer holds what clients may see of them.
    """

    profile: Profile
    changes: Changes
    answer: Tracked
    reports: tuple[EventReport, ...]


def decide(known: Snapshot, call: Track, source: Source, rules: RuleSet, limits: Limits) -> Decision | Rejected:
    """Apply a call: the visit of a new session, then the events in their order."""
    before = known.profile
    fence = Fence(known.profile_id, before.seq, before.revision) if before else Fence(known.profile_id, 0, 0)
    if before is None:
        draft = Draft(new_profile(known.profile_id, call.received))
    else:
        draft = Draft(before.doc, size_of(before.doc_json))
    is_visit = call.save_session and _is_visit(known)
    if is_visit:
        visit(draft, call.received)
    expired = bool(expire(draft, call.received, limits.max_consent_history))
    session, fits = session_after(known.session, call, known.profile_id, limits.max_session_bytes)
    processing = Processing(known, call, source, rules, limits, draft, session)
    processing.run()
    if processing.invalid and rules.refuses_invalid(source.id):
        return Rejected(call.number, tuple(processing.invalid))

    withheld = processing.without_consent and bool(call.context or call.properties)
    if withheld:
        bare = replace(call, context=None, properties=None)
        session, fits = session_after(known.session, bare, known.profile_id, limits.max_session_bytes)
    kept = _kept_session(known, call, session)

    # A session that says more raises the profile's revision too: the fence guards both with one number.
    profile, written = before, None
    if (
        profile is None
        or processing.new_ids
        or processing.applied
        or processing.stored
        or expired
        or kept.content_changed
    ):
        stamp(draft, processing.seq, call.received)
        profile = written = Profile(
            known.profile_id, processing.seq, fence.revision + 1, json_raw(draft.doc), processing.memo()
        )

    answer = Tracked(
        number=call.number,
        profile_id=known.profile_id,
        session_id=call.session_id,
        consent=source.consent,
        profile=shareable(draft.doc) if call.wants_profile and source.returns_profile else None,
        debug=call.debug,
        events=tuple(processing.listed),
        profile_saved=before is None or is_visit or expired or any(map(is_visible_change, processing.reports)),
        session_saved=kept.content_changed,
        session_kept=call.save_session,
        logs=call_logs(call, source, limits, session_fits=fits, withheld=withheld) if call.log else (),
        report=build_report(processing.reports),
        outcomes=outcomes(len(call.events), len(processing.stored), processing.reports),
    )
    changes = _changes(known, fence, written, kept, processing)
    return Decision(profile, changes, answer, tuple(processing.reports))


def _is_visit(known: Snapshot) -> bool:
    """A session is one visit: of the profile that it begins with, or that takes it over from one that is gone."""
    return known.session is None or (known.orphan and known.session.profile_id != known.profile_id)


class _Kept(Struct, frozen=True):
    """The session as it is to be, None when the call does not keep it. `says_more`: not only of its last call."""

    session: Session | None
    is_written: bool = True
    content_changed: bool = False


def _kept_session(known: Snapshot, call: Track, session: Session) -> _Kept:
    if not call.save_session:
        return _Kept(None)
    if known.session is None or _says_more(session, known.session):
        return _Kept(session, content_changed=True)
    if is_due(session, known.session):
        return _Kept(session)
    return _Kept(known.session, is_written=False)


def _changes(known: Snapshot, fence: Fence, written: Profile | None, kept: _Kept, processing: Processing) -> Changes:
    return Changes(
        fence=fence,
        profile=written,
        session=kept.session,
        previous_owner=_session_was(known),
        previous_updated=_session_seen(known),
        writes_session=kept.is_written,
        events=tuple(processing.stored),
        event_ids=processing.new_ids or None,
    )


def _session_was(known: Snapshot) -> str | None:
    """A session of this profile that cannot be found was deleted for its age: it begins anew."""
    return known.session_owner if known.session or known.session_owner != known.profile_id else None


def _session_seen(known: Snapshot) -> str | None:
    """This profile's standing guards its own sessions; of one that comes to it, writes may be in flight."""
    if known.session_owner in (None, known.profile_id):
        return None
    return known.session.updated if known.session else ""


def _says_more(session: Session, before: Session) -> bool:
    """Whether more changed than the time of the last call. What a merge left alone is still the same object."""
    return (
        session.profile_id != before.profile_id
        or session.context_json is not before.context_json
        or session.properties_json is not before.properties_json
    )
