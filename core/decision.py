"""The effect of one call on its profile: the heart of trackd. Pure: no actor, no database, no clock, no cache."""

from msgspec import Struct
from msgspec.structs import replace

from trackd.config.settings import Limits
from trackd.core.calls import LogEntry, Rejected, Track, Tracked
from trackd.core.changes import Changes, Fence
from trackd.core.documents import NO_MEMO, Profile, Session, Source
from trackd.core.encoding import json_raw, size_of
from trackd.core.evaluation import lacks_consent
from trackd.core.event_report import EventReport
from trackd.core.log_entries import call_log_entries
from trackd.core.pii_values import changed_pii_values
from trackd.core.processing import Processing
from trackd.core.profile_document import first_revision, new_profile, shareable, stamp, visit
from trackd.core.repeated_ids import too_long_ids
from trackd.core.reporting import build_report, is_visible_change, outcomes, unapplied
from trackd.core.rules.consents import expire
from trackd.core.rules.draft import Draft
from trackd.core.rules.memo import Memo
from trackd.core.rules.ruleset import RuleSet
from trackd.core.session_document import is_due, session_after, was_silent, without_content
from trackd.core.snapshot import Snapshot


class Decision(Struct, frozen=True):
    """The result of a call."""

    profile: Profile
    """The profile after the call."""
    session: Session | None
    """The session after the call, None if the call does not belong to it."""
    changes: Changes
    """The changes to write. A session that is not written is in them without its content."""
    answer: Tracked
    """The answer, to be sent when the changes are durable."""
    reports: tuple[EventReport, ...]
    """The reports of the events. The answer has the part of them that a client may see."""
    work: int
    """The units of work, see core/work.py."""
    memo: Memo | None = None
    """The results of conditions to remember for the next call, kept in a cache under `profile.memo`.

    None if there are none.
    """


def decide(
    snapshot: Snapshot, call: Track, source: Source, rules: RuleSet, limits: Limits, end_after_s: int = 0
) -> Decision | Rejected:
    """Apply a call: its visit, then its events in order. See `Rejected` for calls that are refused."""
    before = snapshot.profile
    fence = Fence(snapshot.profile_id, before.seq, before.revision) if before else Fence(snapshot.profile_id, 0, 0)
    doc = before.doc if before else new_profile(snapshot.profile_id, call.received)
    draft = Draft(doc, size_of(before.doc_json) if before else 0)
    is_visit = call.save_session and _is_visit(snapshot, call, end_after_s)
    if is_visit:
        visit(draft, call.received)
    expired = bool(expire(draft, call.received, limits.max_consent_history))
    session, fits = session_after(snapshot.session, call, snapshot.profile_id, limits.max_session_bytes)
    processing = Processing(snapshot, call, source, rules, limits, draft, session)
    if rejected := processing.run():
        return rejected
    if why := too_long_ids(processing.stored, processing.new_ids):
        return Rejected(call.number, work=processing.evaluation.work.spent, too_long_ids=why)

    withheld = lacks_consent(source, draft) and bool(call.context or call.properties)
    if withheld:
        bare = replace(call, context=None, properties=None)
        session, fits = session_after(snapshot.session, bare, snapshot.profile_id, limits.max_session_bytes)
    kept = _kept_session(snapshot, call, session, end_after_s)

    profile, written, memo = before, None, snapshot.memo
    if profile is None or processing.new_ids or processing.applied or processing.stored or expired or kept.is_fenced:
        stamp(draft.doc, processing.seq, call.received)
        memo = processing.evaluation.memo()
        number = NO_MEMO if memo is None else before.memo if before and memo is snapshot.memo else memo.number
        revision = before.revision + 1 if before else first_revision(call.received)
        profile = written = Profile(snapshot.profile_id, processing.seq, revision, json_raw(draft.doc), number)

    profile_saved = before is None or is_visit or expired or any(map(is_visible_change, processing.reports))
    logs = call_log_entries(call, source, limits, session_fits=fits, withheld=withheld) if call.log else ()
    answer = _answer(call, source, processing, profile_saved, kept.content_changed, logs)
    changes = _changes(snapshot, fence, written, kept, processing)
    work = processing.evaluation.work.spent
    return Decision(profile, kept.session, changes, answer, tuple(processing.reports), work, memo)


def _answer(
    call: Track,
    source: Source,
    processing: Processing,
    profile_saved: bool,
    session_saved: bool,
    logs: tuple[LogEntry, ...],
) -> Tracked:
    return Tracked(
        number=call.number,
        profile_id=processing.snapshot.profile_id,
        session_id=call.session_id,
        consent=source.consent,
        profile=shareable(processing.draft.doc) if call.profile_requested and source.returns_profile else None,
        debug=call.debug,
        events=tuple(processing.listed),
        profile_saved=profile_saved,
        session_saved=session_saved,
        session_kept=call.save_session,
        logs=logs,
        report=build_report(processing.reports),
        outcomes=(numbers := outcomes(len(call.events), len(processing.stored), processing.reports)),
        unapplied=unapplied(processing.reports) if numbers else (),
    )


def _is_visit(snapshot: Snapshot, call: Track, end_after_s: int) -> bool:
    """Whether the call begins a visit.

    Its session is new, or moves here from a profile that no longer exists, or was silent for `end_after_s`, if not 0.
    """
    session = snapshot.session
    if session is None or (snapshot.orphan and session.profile_id != snapshot.profile_id):
        return True
    return end_after_s > 0 and was_silent(session, call.received, end_after_s)


class _Kept(Struct, frozen=True):
    """The session after the call, None when the call does not keep it."""

    session: Session | None
    is_written: bool = True
    content_changed: bool = False
    """Whether more changed than the time of its last call."""
    is_fenced: bool = False
    """Whether it raises the profile's revision too, so that the fence guards both with one number."""


def _kept_session(snapshot: Snapshot, call: Track, session: Session, end_after_s: int) -> _Kept:
    if not call.save_session:
        return _Kept(None)
    # It comes back to the profile, whose `session` may be from before it moved away.
    moves = snapshot.session_owner not in (None, snapshot.profile_id)
    if snapshot.session is None or moves or _content_changed(session, snapshot.session):
        return _Kept(session, content_changed=True, is_fenced=True)
    if is_due(session, snapshot.session, end_after_s):
        return _Kept(session, is_fenced=end_after_s > 0)
    return _Kept(snapshot.session, is_written=False)


def _changes(snapshot: Snapshot, fence: Fence, written: Profile | None, kept: _Kept, processing: Processing) -> Changes:
    derived_id = processing.call.derived_profile_id
    return Changes(
        fence=fence,
        profile=written,
        session=without_content(kept.session) if kept.session and not kept.is_written else kept.session,
        previous_owner=_previous_owner(snapshot),
        previous_updated=_previous_updated(snapshot),
        absent_profile=derived_id if derived_id != snapshot.profile_id else None,
        is_derived=snapshot.profile is None and derived_id == snapshot.profile_id,
        writes_session=kept.is_written,
        events=tuple(processing.stored),
        event_ids=processing.new_ids or None,
        pii=changed_pii_values(processing.draft),
    )


def _previous_owner(snapshot: Snapshot) -> str | None:
    """The id of the profile that must own the stored session; None if no such session may be stored.

    None also when this profile's own session is not found: retention deleted it, and it begins anew.
    """
    if snapshot.session or snapshot.session_owner != snapshot.profile_id:
        return snapshot.session_owner
    return None


def _previous_updated(snapshot: Snapshot) -> str | None:
    """Only for a session that comes from another profile: the fence of this one guards its own sessions."""
    if snapshot.session_owner in (None, snapshot.profile_id):
        return None
    return snapshot.session.updated if snapshot.session else ""


def _content_changed(session: Session, before: Session) -> bool:
    """Compares identities: a merge that changes nothing returns the same object."""
    return (
        session.profile_id != before.profile_id
        or session.context_json is not before.context_json
        or session.properties_json is not before.properties_json
    )
