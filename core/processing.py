"""The events of one call, one after the other: each goes through the steps of `Processing.run`. Pure.

A step is a function of the state and the event. It returns a report when the event ends with it, else None.
"""

from collections.abc import Mapping

from msgspec import Struct

from trackd.config.settings import Limits
from trackd.core.calls import InvalidEvent, NumberedEvent, Rejected, Track, TrackedEvent
from trackd.core.documents import Event, FirstCopy, Profile, Session, Source
from trackd.core.duplicate import Duplicate, duplicate
from trackd.core.encoding import json_text
from trackd.core.evaluation import Evaluation, lacks_consent
from trackd.core.profile_document import count
from trackd.core.rules.conditions import Roots, Unmet
from trackd.core.rules.consents import EventTime, expire
from trackd.core.rules.draft import Draft
from trackd.core.rules.faults import Fault
from trackd.core.rules.memo import Memo
from trackd.core.rules.repetitions import Repetition
from trackd.core.rules.rule import Rule, RuleRun, SegmentChange
from trackd.core.rules.ruleset import Plan, RuleSet
from trackd.core.work import TooMuchWorkError

NO_CONSENT = "no consent"
WITHOUT_CONSENT = Unmet("without consent only rules that change consents run")


class EventReport(Struct, frozen=True):
    """The result of one event. An event without one was stored and had no other effect than its counter."""

    event: TrackedEvent
    duplicate: Duplicate | None = None
    """Given if the profile already had the event."""
    dropped: str | None = None
    """Why the event was neither stored nor applied."""
    faults: tuple[Fault, ...] = ()
    """Why the event is invalid."""
    uncounted: str | None = None
    """Why the event's type has no counter."""
    runs: tuple[RuleRun, ...] = ()
    """One for each rule of the event's type."""
    segment_changes: tuple[SegmentChange, ...] = ()


class Snapshot(Struct, frozen=True):
    """The state of a profile when a call arrives: the inputs of a decision."""

    profile_id: str
    profile: Profile | None
    """None for a new profile."""
    session: Session | None
    """The session of the call, None for a new one."""
    event_ids: Mapping[str, int | None]
    """The client-made ids of the call that the profile already has, each with the `seq` of its event if stored."""
    orphan: bool = False
    """Whether the session comes from a profile that no longer exists."""
    session_owner: str | None = None
    """The owner of the session in the directory; `session` has another one while the session moves."""
    memo: Memo | None = None
    """The memo with the number `profile.memo`, None if it is not in memory."""
    first_copies: Mapping[str, FirstCopy] = {}
    """By `event_ids`, the events that are stored; some may be missing."""


class Processing:
    """The state of one call while its events are processed. `run` it, then read the results."""

    __slots__ = (
        *("call", "draft", "evaluation", "limits", "rules", "snapshot", "source"),
        *("applied", "invalid", "listed", "new_ids", "reports", "seq", "stored"),
        *("faults", "plan", "repetition", "roots", "runs", "segment_changes", "uncounted"),
    )

    # Results.
    seq: int
    """The number of the last stored event."""
    stored: list[Event]
    listed: list[NumberedEvent]
    """The events that the answer lists."""
    new_ids: dict[str, int | None]
    """The new client-made ids, each with the `seq` of its event if that is stored."""
    invalid: list[InvalidEvent]
    reports: list[EventReport]
    applied: bool
    """Whether an event was applied."""

    # The current event.
    plan: Plan
    faults: tuple[Fault, ...]
    uncounted: str | None
    repetition: Repetition | None
    runs: tuple[RuleRun, ...]
    segment_changes: tuple[SegmentChange, ...]
    roots: Roots | None

    def __init__(
        self,
        snapshot: Snapshot,
        call: Track,
        source: Source,
        rules: RuleSet,
        limits: Limits,
        draft: Draft,
        session: Session,
    ) -> None:
        """`session` is that of the call, with the call's context and properties."""
        self.snapshot = snapshot
        self.call = call
        self.source = source
        self.rules = rules
        self.limits = limits
        self.draft = draft
        self.evaluation = Evaluation(call, source, session, draft, limits, rules, snapshot.memo)
        self.seq = snapshot.profile.seq if snapshot.profile else 0
        self.stored = []
        self.listed = []
        self.new_ids = {}
        self.invalid = []
        self.reports = []
        self.applied = False

    def run(self) -> Rejected | None:
        """Process each event step by step, until a step returns a report, unless the call is rejected."""
        rules, evaluation, consent = self.rules, self.evaluation, self.source.consent
        work = evaluation.work
        try:
            for position, event in enumerate(self.call.events):
                self.plan = plan = rules.plan(event.type)
                work.spent += plan.work + plan.character_work * len(event.properties_json)
                if work.spent > work.limit:
                    work.charge(0, "its size and its rules")
                self.faults = self.runs = self.segment_changes = ()
                self.repetition = self.roots = None
                # Written out, because a loop over the steps takes 0.4 µs longer for each event.
                report = (
                    (event.own_id and skip_duplicate(self, event))
                    or (rules.drops and drop_unwanted(self, event))
                    or (consent and require_consent(self, event))
                    or (plan.depends_on_consents and recall_repetition(self, event))
                    or (plan.schema is not None and validate(self, event))
                    or count_event(self, event)
                    or (not evaluation.under_rules and leave_old_segments(self, event))
                    or (plan.rules and run_rules(self, event))
                    or (plan.segments and update_segments(self, event))
                    or store(self, event)
                )
                if report:
                    self.reports.append(report)
                    if report.faults:
                        self.invalid.append(InvalidEvent(position, report.faults))
        except TooMuchWorkError as error:
            return Rejected(self.call.number, too_much=f"events.{position} ({event.type}), {error}")
        if self.invalid and self.rules.refuses_invalid(self.source.id):
            return Rejected(self.call.number, tuple(self.invalid))
        return None

    def current_roots(self, event: TrackedEvent) -> Roots:
        """The roots for an event, made when its first condition or step needs them."""
        if self.roots is None:
            self.roots = self.evaluation.roots(event, self.plan)
        return self.roots


def skip_duplicate(state: Processing, event: TrackedEvent) -> EventReport | None:
    """List a duplicate with its first number."""
    first: FirstCopy | Event | None = None
    if event.id in state.new_ids:
        seq = state.new_ids[event.id]
        first = None if seq is None else state.stored[seq - state.seq - 1]
    elif event.id in state.snapshot.event_ids:
        seq, first = state.snapshot.event_ids[event.id], state.snapshot.first_copies.get(event.id)
    else:
        return None
    if seq is not None and event.debug:
        state.listed.append(NumberedEvent(event.id, event.type, seq, saved=False))
    return EventReport(event, duplicate=duplicate(event, state.source.id, seq, first))


def drop_unwanted(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Drop an event that the rules name as unwanted."""
    if unwanted := state.rules.unwanted(event.type, state.source.id, state.call.user_agent):
        return EventReport(event, dropped=f"unwanted ({unwanted})")
    return None


def require_consent(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Without consent only events whose rules change consents pass."""
    if not state.plan.changes_consents and lacks_consent(state.source, state.draft):
        return _without_consent(state, event)
    return None


def recall_repetition(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Find the event in the memo: a repetition is valid, and its rules need not run."""
    state.repetition = state.evaluation.repetitions.find(event)
    return None


def validate(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Store an invalid event, but do not apply it."""
    schema, work = state.plan.schema, state.evaluation.work
    if schema is None or not (faults := schema.faults(event, work, known_valid=state.repetition is not None)):
        return None
    if lacks_consent(state.source, state.draft):
        return _without_consent(state, event, faults)
    state.faults = faults
    return store(state, event)


def count_event(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Count the event by its type."""
    state.applied = True
    state.uncounted = count(state.draft, event.type, state.limits)
    return None


def leave_old_segments(state: Processing, event: TrackedEvent) -> EventReport | None:
    """With the first event under new rules, leave the segments that these rules do not have."""
    state.segment_changes = state.evaluation.leave_old_segments()
    return None


def run_rules(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Run the rules of the event's type, unless the memo has their runs."""
    plan, draft, evaluation, received = state.plan, state.draft, state.evaluation, state.call.received
    time, repetition = EventTime(min(event.created, received), received), state.repetition  # a clock may be ahead
    if repetition is not None and evaluation.repetitions.repeat(repetition, time, evaluation.work):
        state.runs = repetition.runs
        return None
    roots, clock = state.current_roots(event), draft.clock
    state.runs = runs = tuple([_run(state, rule, roots, time) for rule in plan.rules])
    if draft.clock != clock:
        if plan.changes_consents:
            expire(draft, received, state.limits.max_consent_history)
    elif plan.depends_on_consents and not any(run.skipped for run in runs):
        evaluation.repetitions.add(event, plan.rules, runs, roots, state.limits)
    return None


def update_segments(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Evaluate the segments that are due."""
    evaluation = state.evaluation
    for segment in state.plan.segments:
        if evaluation.is_due(segment):
            change = evaluation.segment_change(segment, state.current_roots(event))
            if change is not None:
                state.segment_changes = (*state.segment_changes, change)
    return None


def store(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Store the event, and report on it if it had other effects than its counter."""
    plan, call, seq = state.plan, state.call, None
    faults = state.faults
    if event.store:
        state.seq = seq = state.seq + 1
        row = Event(
            event.id,
            state.snapshot.profile_id,
            seq,
            call.session_id,
            call.source_id,
            event.type,
            event.created,
            call.received,
            "invalid" if faults else plan.status,
            call.ip,
            event.properties_json,
            event.context_json,
            event.config_json,
            plan.tags_json,
            json_text([str(fault) for fault in faults]) if faults else None,
        )
        state.stored.append(row)
        if event.debug:
            state.listed.append(NumberedEvent(event.id, event.type, seq, saved=True))
    if event.own_id:
        state.new_ids[event.id] = seq
    if faults:
        return EventReport(event, faults=faults)
    if state.runs or state.segment_changes or state.uncounted or event.notes:
        return EventReport(event, uncounted=state.uncounted, runs=state.runs, segment_changes=state.segment_changes)
    return None


def _without_consent(state: Processing, event: TrackedEvent, faults: tuple[Fault, ...] = ()) -> EventReport:
    if event.own_id:
        state.new_ids[event.id] = None  # or a retry, once there is consent, would store it
    return EventReport(event, dropped=NO_CONSENT, faults=faults)


def _run(state: Processing, rule: Rule, roots: Roots, time: EventTime) -> RuleRun:
    if state.source.consent and not rule.changes_consents and lacks_consent(state.source, state.draft):
        return RuleRun(rule.name, unmet=WITHOUT_CONSENT)
    if rule.condition is not None and (unmet := state.evaluation.unmet(rule, rule.condition, roots)):
        return RuleRun(rule.name, unmet=unmet)
    return rule.run(state.draft, roots, time, state.limits, state.evaluation.work)
