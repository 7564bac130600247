"""The events of one call, one after the other, against a draft of the profile. Pure.

Each goes through the same steps: known already? unwanted? without consent? invalid? What is left is applied: it is
counted, the rules for its type run, and the segments are looked at.
"""

from collections.abc import Mapping

from msgspec import Struct

from trackd.config.settings import Limits
from trackd.core.calls import InvalidEvent, NumberedEvent, Track, TrackedEvent
from trackd.core.documents import NO_MEMO, Event, JsonObject, Profile, Session, Source
from trackd.core.encoding import json_text
from trackd.core.profile_document import count
from trackd.core.rules.conditions import Condition, Roots, Unmet
from trackd.core.rules.consents import expire
from trackd.core.rules.draft import Draft
from trackd.core.rules.memo import Memo
from trackd.core.rules.repetitions import Repetitions
from trackd.core.rules.rule import Rule, RuleRun, Segment, SegmentChange
from trackd.core.rules.ruleset import Plan, RuleSet
from trackd.core.rules.schemas import Fault

NO_CONSENT = "no consent"
NOTHING = Memo()
WITHOUT_CONSENT = Unmet("without consent only rules that change consents run")


class EventReport(Struct, frozen=True):
    """What became of one event, where there is more to say than that it is stored.

    `again`: it was known already. `dropped`: why it was neither stored nor applied. `faults`: why it is invalid.
    `uncounted`: why it has no counter.
    """

    event: TrackedEvent
    duplicate: bool = False
    dropped: str | None = None
    faults: tuple[Fault, ...] = ()
    uncounted: str | None = None
    runs: tuple[RuleRun, ...] = ()
    turns: tuple[SegmentChange, ...] = ()


class Snapshot(Struct, frozen=True):
    """What a profile's actor knows when a call comes; `profile` and `session` are None when there is none yet.

    `event_ids`: those of the call's own event ids that the profile already has, each with its `seq`. `orphan`: the
    session comes from a profile that is gone. `session_of`: the profile that the session belongs to, as far as the
    directory knows; `session` may say otherwise when it moves at this moment.
    """

    profile_id: str
    profile: Profile | None
    session: Session | None
    event_ids: Mapping[str, int | None]
    orphan: bool = False
    session_owner: str | None = None


class Processing:
    """One call at work. `run` it, then read what came of it; nothing of it is anybody's until then.

    `seq` is the number of the last stored event, `new_ids` maps each client-made id that was processed to the `seq`
    of its event, None when that is not stored.
    """

    def __init__(
        self,
        known: Snapshot,
        call: Track,
        source: Source,
        rules: RuleSet,
        limits: Limits,
        draft: Draft,
        session: Session,
    ) -> None:
        """`session` is the call's, with what the call adds to it."""
        self._known = known
        self._call = call
        self._source = source
        self._rules = rules
        self._limits = limits
        self._draft = draft
        self._session = session
        self._remembered = rules.memos.recall(known.profile.memo) if known.profile else None
        memo = self._remembered or NOTHING
        self._same_rules = self._remembered is not None
        self._looked_at = dict.fromkeys(memo.looked_at, 0)  # the draft's clock when it began
        self._repetitions = Repetitions(draft, memo.repetitions)
        self._looked_through = 0
        self.seq = known.profile.seq if known.profile else 0
        self.stored: list[Event] = []
        self.listed: list[NumberedEvent] = []
        self.new_ids: dict[str, int | None] = {}
        self.invalid: list[InvalidEvent] = []
        self.reports: list[EventReport] = []
        self.applied = 0

    def run(self) -> None:
        for position, event in enumerate(self._call.events):
            report = self._process(event)
            if report is not None:
                self.reports.append(report)
                if report.faults:
                    self.invalid.append(InvalidEvent(position, report.faults))

    def memo(self) -> int:
        """The number of what is to be remembered, once the draft is final."""
        if not self._same_rules:
            return NO_MEMO
        draft, before = self._draft, self._remembered or NOTHING
        fresh = []
        for segment, clock in self._looked_at.items():
            if not draft.changed_since(clock, segment.condition.parts):
                fresh.append(segment)
        looked_at, repetitions = before.looked_at, self._repetitions.now()
        if len(fresh) != len(looked_at) or not looked_at.issuperset(fresh):
            looked_at = frozenset(fresh)
        if self._known.profile and looked_at is before.looked_at and repetitions is before.repetitions:
            return self._known.profile.memo
        return self._rules.memos.remember(Memo(looked_at, repetitions))

    @property
    def without_consent(self) -> bool:
        """The source requires consent, and the profile has granted nothing."""
        return self._source.consent and not self._draft.doc["consents"]

    def _process(self, event: TrackedEvent) -> EventReport | None:
        if event.own_id and (event.id in self._known.event_ids or event.id in self.new_ids):
            return self._duplicate(event)
        rules = self._rules
        if rules.drops and (unwanted := rules.unwanted(event.type, self._source.id, self._call.user_agent)):
            return EventReport(event, dropped=f"unwanted ({unwanted})")
        plan = rules.plan(event.type)
        if self.without_consent and not plan.changes_consents:
            return self._drop_without_consent(event)
        if plan.rests_on_consents and (runs := self._repetitions.runs((event.type, event.properties_json))):
            report = self._apply(event, plan, runs)
            self._store(event, plan, "collected" if plan.schema is None else "validated")
        elif plan.schema is None:
            report = self._apply(event, plan)
            self._store(event, plan, "collected")
        elif faults := plan.schema.faults(event.properties):
            if self.without_consent:
                return self._drop_without_consent(event, faults)
            report = EventReport(event, faults=faults)
            self._store(event, plan, "invalid", json_text([str(fault) for fault in faults]))
        else:
            report = self._apply(event, plan)
            self._store(event, plan, "validated")
        return report

    def _drop_without_consent(self, event: TrackedEvent, faults: tuple[Fault, ...] = ()) -> EventReport:
        if event.own_id:
            self.new_ids[event.id] = None  # or a retry, once there is consent, would store it
        return EventReport(event, dropped=NO_CONSENT, faults=faults)

    def _duplicate(self, event: TrackedEvent) -> EventReport:
        first = self.new_ids[event.id] if event.id in self.new_ids else self._known.event_ids[event.id]
        if first is not None and event.debug:
            self.listed.append(NumberedEvent(event.id, event.type, first, saved=False))
        return EventReport(event, duplicate=True)

    def _apply(self, event: TrackedEvent, plan: Plan, runs: tuple[RuleRun, ...] = ()) -> EventReport | None:
        """`runs`: of its rules, when they need not run."""
        self.applied += 1
        uncounted = count(self._draft, event.type, self._limits)
        turns = () if self._same_rules else self._come_under_rules()
        roots: Roots = {}
        if plan.rules and not runs:
            roots, clock = self._roots(event, plan), self._draft.clock
            runs = tuple([self._run(rule, roots, event) for rule in plan.rules])
            if self._draft.clock != clock:
                if plan.changes_consents:
                    expire(self._draft, self._call.received, self._limits.max_consent_history)
            elif plan.rests_on_consents and not any(run.skipped for run in runs):
                self._repetitions.note((event.type, event.properties_json), runs)
        for segment in plan.segments:
            if self._is_due(segment):
                roots = roots or self._roots(event, plan)
                if turn := self._turn(segment, roots):
                    turns = (*turns, turn)
        if runs or turns or uncounted or event.notes:
            return EventReport(event, uncounted=uncounted, runs=runs, turns=turns)
        return None

    def _come_under_rules(self) -> tuple[SegmentChange, ...]:
        """Of the segments that these rules do not have, a profile is in none any more."""
        self._same_rules = True
        segments: list[str] = self._draft.doc["segments"]
        gone = [segment for segment in segments if segment not in self._rules.segment_ids]
        if gone:
            self._draft.put(("segments",), [segment for segment in segments if segment not in gone])
        return tuple(SegmentChange(segment) for segment in gone)

    def _roots(self, event: TrackedEvent, plan: Plan) -> Roots:
        """What conditions and steps see of the call, with this event: the documents that the plan looks at."""
        roots = {"profile": self._draft.doc, "properties": event.properties, "context": event.context}
        if "event" in plan.looks_at:
            roots["event"] = self._event_document(event, plan)
        if "session" in plan.looks_at:
            roots["session"] = self._session_document()
        if "source" in plan.looks_at:
            source = self._source
            roots["source"] = {"id": source.id, "name": source.name, "tags": list(source.tags)}
        return roots

    def _event_document(self, event: TrackedEvent, plan: Plan) -> JsonObject:
        call = self._call
        return {
            "id": event.id,
            "type": event.type,
            "properties": event.properties,
            "context": event.context,
            "tags": list(plan.tags),
            "metadata": {"time": {"create": event.created, "insert": call.received}, "ip": call.ip},
        }

    def _session_document(self) -> JsonObject:
        """Without consent it says nothing."""
        session = self._session
        if self.without_consent:
            return {"id": session.id, "context": {}, "properties": {}}
        return {"id": session.id, "context": session.context, "properties": session.properties}

    def _run(self, rule: Rule, roots: Roots, event: TrackedEvent) -> RuleRun:
        if self.without_consent and not rule.changes_consents:
            return RuleRun(rule.name, unmet=WITHOUT_CONSENT)
        if rule.condition is not None and (unmet := self._unmet(rule.condition, roots)):
            return RuleRun(rule.name, unmet=unmet)
        happened = min(event.created, self._call.received)  # a client's clock may be ahead
        return rule.run(self._draft, roots, happened, self._limits)

    def _is_due(self, segment: Segment) -> bool:
        """Not when all that it looks at is as it was when it was looked at last."""
        last = self._looked_at.get(segment)
        return last is None or self._draft.changed_since(last, segment.condition.parts)

    def _turn(self, segment: Segment, roots: Roots) -> SegmentChange | None:
        condition, draft = segment.condition, self._draft
        clock = draft.clock
        turn = segment.turn(draft, self._unmet(condition, roots))
        if condition.reads_profile_only and (turn is None or turn.failed is None):
            self._looked_at[segment] = clock
        return turn

    def _unmet(self, condition: Condition, roots: Roots) -> Unmet | None:
        """Evaluate it, unless the conditions of this call have looked at as much as they may."""
        self._looked_through += condition.cost(roots)
        if self._looked_through > self._limits.max_condition_bytes:
            limit = f"{self._limits.max_condition_bytes} bytes (limits.max_condition_bytes)"
            return Unmet(f"the conditions of this call have looked through more than {limit}", failed=True)
        return condition.unmet(roots)

    def _store(self, event: TrackedEvent, plan: Plan, status: str, reasons: str | None = None) -> None:
        call = self._call
        seq = None
        if event.store:
            self.seq = seq = self.seq + 1
            row = Event(
                event.id,
                self._known.profile_id,
                seq,
                call.session_id,
                call.source_id,
                event.type,
                event.created,
                call.received,
                status,
                call.ip,
                event.properties_json,
                event.context_json,
                event.config_json,
                plan.tags_json,
                reasons,
            )
            self.stored.append(row)
            if event.debug:
                self.listed.append(NumberedEvent(event.id, event.type, seq, saved=True))
        if event.own_id:
            self.new_ids[event.id] = seq
