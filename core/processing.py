"""The events of one call, one after the other: each goes through the steps of `Processing`. Pure.

A step is a function of the state and the event. It returns a report when the event ends with it, else None.
"""

from trackd.config.settings import Limits
from trackd.core.calls import InvalidEvent, NumberedEvent, Rejected, Track, TrackedEvent
from trackd.core.documents import Event, FirstCopy, Session, Source, event_of
from trackd.core.duplicate import duplicate
from trackd.core.encoding import json_text
from trackd.core.evaluation import Evaluation, EventRoots, lacks_consent
from trackd.core.event_report import NO_CONSENT, EventReport
from trackd.core.profile_document import can_count_on, count, count_on
from trackd.core.rules.conditions import Roots, Unmet
from trackd.core.rules.consents import EventTime, expire
from trackd.core.rules.draft import Draft
from trackd.core.rules.faults import Fault
from trackd.core.rules.repetitions import Repetition
from trackd.core.rules.rule import Rule, RuleRun, SegmentChange
from trackd.core.rules.ruleset import Plan, RuleSet
from trackd.core.rules.traces import trace_of
from trackd.core.snapshot import Snapshot
from trackd.core.work import PostponedError, TooMuchWorkError

WITHOUT_CONSENT = Unmet("without consent only rules that change consents run")


class Processing:
    """The state of one call while its events are processed. `run` it, then read the results."""

    __slots__ = (
        *("call", "draft", "evaluation", "event_roots", "limits", "rules", "session", "snapshot", "source"),
        *("applied", "invalid", "listed", "new_ids", "plain", "reports", "seq", "stored"),
        *("faults", "plan", "repetition", "roots", "runs", "segment_changes", "trace", "uncounted"),
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
    plain: dict[str, int]
    """The types whose next events change only their counters, each with the number of those not counted yet."""

    # The current event.
    plan: Plan
    faults: tuple[Fault, ...]
    uncounted: str | None
    repetition: Repetition | None
    runs: tuple[RuleRun, ...]
    segment_changes: tuple[SegmentChange, ...]
    trace: str | None  # JSON
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
        self.draft, self.session = draft, session
        self.evaluation = Evaluation(draft, limits, rules, snapshot.memo, call.allowance)
        self.event_roots: EventRoots | None = None
        self.seq = snapshot.profile.seq if snapshot.profile else 0
        self.stored, self.listed, self.invalid, self.reports = [], [], [], []
        self.new_ids, self.plain, self.applied = {}, {}, False

    def run(self) -> Rejected | None:
        """Process each event step by step, until a step returns a report, unless the call is rejected."""
        rules, work, plain = self.rules, self.evaluation.work, self.plain
        most = min(work.limit, work.at_once)
        try:
            for position, event in enumerate(self.call.events):
                self.plan = plan = rules.plan(event.type)
                work.spent += plan.work + plan.character_work * len(event.properties_json)
                if work.spent > most:
                    work.charge(0, "its size and its rules")
                more = None if event.own_id or event.notes else plain.get(event.type)
                if more is not None and (more or can_count_on(self.draft, event.type)):
                    plain[event.type] = more + 1
                    self.keep(event)
                    continue
                if report := self._process(event):
                    self.reports.append(report)
                    if report.faults:
                        self.invalid.append(InvalidEvent(position, report.faults))
        except TooMuchWorkError as error:
            return Rejected(self.call.number, (), f"events.{position} ({event.type}), {error}", work.spent)
        except PostponedError:
            return Rejected(self.call.number, work=work.spent, is_postponed=True)
        self._count_plain()
        if self.invalid and self.rules.refuses_invalid(self.source.id):
            return Rejected(self.call.number, tuple(self.invalid), work=work.spent)
        return None

    def _process(self, event: TrackedEvent) -> EventReport | None:
        """Take the steps of one event."""
        plain, plan, consent = self.plain, self.plan, self.source.consent
        if plain:
            self._count_plain()
        self.faults = self.runs = self.segment_changes = ()
        self.repetition = self.roots = self.trace = None
        # Written out, because a loop over the steps takes 0.4 µs longer for each event.
        report = (
            (event.own_id and skip_duplicate(self, event))
            or (self.rules.drops and drop_unwanted(self, event))
            or (consent and require_consent(self, event))
            or (plan.depends_on_consents and recall_repetition(self, event))
            or (plan.schema is not None and validate(self, event))
            or count_event(self, event)
            or (not self.evaluation.under_rules and leave_old_segments(self, event))
            or (plan.rules and run_rules(self, event))
            or (plan.segments and update_segments(self, event))
            or store(self, event)
        )
        if report or not plan.is_plain:
            plain.clear()
        else:
            plain[event.type] = 0
        return report or None

    def keep(self, event: TrackedEvent) -> int | None:
        """Add the current event to those that are stored. Returns its number, None if it is not stored."""
        if not event.store:
            return None
        call, plan, faults = self.call, self.plan, self.faults
        self.seq = seq = self.seq + 1
        row = event_of(
            (
                event.id,
                self.snapshot.profile_id,
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
                self.trace,
            )
        )
        self.stored.append(row)
        if event.debug:
            self.listed.append(NumberedEvent(event.id, event.type, seq, True))
        return seq

    def _count_plain(self) -> None:
        """Count plain events by their types, before a step reads the counters."""
        for event_type, number in self.plain.items():
            if number:
                count_on(self.draft, event_type, number)
                self.plain[event_type] = 0

    def current_roots(self, event: TrackedEvent) -> Roots:
        """The roots for an event, made when its first condition or step needs them."""
        if self.roots is None:
            if self.event_roots is None:
                self.event_roots = EventRoots(self.call, self.source, self.session, self.draft)
            self.evaluation.next_event()
            self.roots = self.event_roots.of(event, self.plan)
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
    if state.repetition is not None:
        work.charge(state.repetition.schema_units, "the schema of", event.type)
        return None
    if schema is None or not (faults := schema.faults(event, work)):
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
    happened = event.created if event.created < received else received  # a client's clock may be ahead
    repetition = state.repetition
    if repetition and evaluation.repetitions.repeat(repetition, happened, received, evaluation.work):
        state.runs, state.trace = repetition.runs, repetition.trace
        return None
    roots, clock, time = state.current_roots(event), draft.clock, EventTime(happened, received)
    state.runs = runs = tuple([_run(state, rule, roots, time) for rule in plan.rules])
    state.trace = trace_of(runs, state.limits.max_trace_bytes)
    if draft.clock != clock and plan.changes_consents:
        expire(draft, received, state.limits.max_consent_history)
    if plan.depends_on_consents and not any(run.skipped for run in runs):
        evaluation.repetitions.add(event, plan, roots)
    return None


def update_segments(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Evaluate the segments that are due."""
    evaluation = state.evaluation
    for segment in state.plan.segments:
        if evaluation.is_due(segment) and (change := evaluation.segment_change(segment, state.current_roots(event))):
            state.segment_changes = (*state.segment_changes, change)
    return None


def store(state: Processing, event: TrackedEvent) -> EventReport | None:
    """Store the event, and report on it if it had other effects than its counter."""
    seq = state.keep(event)
    if event.own_id:
        state.new_ids[event.id] = seq
    if state.faults:
        return EventReport(event, faults=state.faults)
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
