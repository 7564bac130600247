"""Evaluating the conditions of one call: the documents that they read, their work, and the memo. Pure."""

from trackd.config.settings import Limits
from trackd.core.calls import Track, TrackedEvent
from trackd.core.documents import JsonObject, Session, Source
from trackd.core.rules.conditions import Condition, Inputs, Roots, Unmet
from trackd.core.rules.draft import Draft
from trackd.core.rules.memo import Memo
from trackd.core.rules.repetitions import CONSENT_PARTS, Repetitions
from trackd.core.rules.rule import Rule, Segment, SegmentChange
from trackd.core.rules.ruleset import Plan, RuleSet
from trackd.core.work import CALL, DOCUMENT_BYTE, FULL, Allowance, Work

BY_MEMO = 0  # in place of the draft's clock
FIRST_EVALUATIONS_SHARE = 4  # a quarter of the work
TOO_MUCH = Unmet("the segments of this profile take too much work (limits.max_call_work)", failed=True)


def lacks_consent(source: Source, draft: Draft) -> bool:
    """Whether the source requires consent and the profile has granted none."""
    return source.consent and not draft.doc["consents"]


class Evaluation:
    """The evaluations of one call or re-evaluation, and its count of work.

    A segment is due when something that its condition reads has changed since its last evaluation.

    The first evaluation of a segment that reads the profile only is work that the profile causes, whatever the call. If
    these are more than their share of the work, segments fail: a call would be refused again each time it is sent.
    """

    __slots__ = (
        *("_draft", "_evaluated", "_event_inputs", "_first_evaluations", "_first_units", "_has_evaluated", "_inputs"),
        *("_memo", "_rules", "repetitions", "under_rules", "work"),
    )

    def __init__(
        self, draft: Draft, limits: Limits, rules: RuleSet, memo: Memo | None, allowance: Allowance = FULL
    ) -> None:
        """`memo`: that of the call before; one that other rules made is ignored."""
        if memo is not None and memo.rules != rules.fingerprint:
            memo = None
        self.under_rules = memo is not None  # no segment of the profile is missing in these rules
        self.repetitions = Repetitions(draft, limits, memo.repetitions if memo else ())
        self._memo = memo
        self._has_evaluated = False
        self._rules = rules
        self._draft = draft
        self._evaluated = dict.fromkeys(memo.evaluated, BY_MEMO) if memo else {}  # segment id: the draft's clock
        self.work = Work(limits.max_call_work, CALL + DOCUMENT_BYTE * draft.size, allowance.units)
        self._first_units = 0
        self._first_evaluations: dict[str, bool] = {}  # segment id: whether the profile's share allowed it
        # By their names, with the draft's clock: those of the profile only, and those of the event too.
        self._inputs: dict[tuple[str, ...], tuple[int, Inputs]] = {}
        self._event_inputs: dict[tuple[str, ...], tuple[int, Inputs]] = {}

    def leave_old_segments(self) -> tuple[SegmentChange, ...]:
        """Let the profile leave the segments that the rules do not have."""
        self.under_rules = True
        segments: list[str] = self._draft.doc["segments"]
        old = [segment for segment in segments if segment not in self._rules.segments]
        if old:
            self._draft.put(("segments",), [segment for segment in segments if segment not in old])
        return tuple(SegmentChange(segment) for segment in old)

    def next_event(self) -> None:
        """Forget what the conditions read of the event before."""
        self._event_inputs.clear()

    def unmet(self, rule: Rule, condition: Condition, roots: Roots) -> Unmet | None:
        """Evaluate the condition of a rule."""
        inputs = self._read(condition, roots)
        self.work.charge(self._units(condition, inputs), "the condition of the rule", rule.name)
        return condition.unmet(inputs)

    def _read(self, condition: Condition, roots: Roots) -> Inputs:
        """The inputs of a condition: those of one before that names the same, unless the profile changed since."""
        kept = self._inputs if condition.reads_profile_only else self._event_inputs
        known = kept.get(condition.names)
        if known is not None and not self._draft.changed_since(known[0], condition.parts):
            return known[1]
        inputs = condition.read(roots)
        kept[condition.names] = self._draft.clock, inputs
        return inputs

    def _units(self, condition: Condition, inputs: Inputs) -> int:
        """Those of an evaluation. The conversion of its inputs is charged once."""
        units = condition.work(inputs)
        if inputs.converts_each_time or not inputs.is_charged:
            inputs.is_charged = True
            units += inputs.sizes.conversion * (1 + inputs.converts_each_time)
        return units

    def is_due(self, segment: Segment) -> bool:
        last, condition, changed_at = self._evaluated.get(segment.id), segment.condition, self._draft.changed_at
        if last is None:
            return True
        for part in condition.parts:  # as `Draft.changed_since`, which takes twice as long for each event
            if changed_at.get(part, 0) > last:
                return True
        if last == BY_MEMO:
            if condition.objects:
                return not self._charge_memo(segment)
            self.work.spent += condition.least_work
            self._evaluated[segment.id] = self._draft.clock
        return False

    def segment_change(self, segment: Segment, roots: Roots) -> SegmentChange | None:
        """Evaluate a segment's condition, and let the profile enter or leave it."""
        condition, draft = segment.condition, self._draft
        clock, self._has_evaluated = draft.clock, True
        change = segment.update(draft, self._unmet(segment, roots))
        if condition.reads_profile_only and (change is None or change.failed is None):
            self._evaluated[segment.id] = clock
        return change

    def _unmet(self, segment: Segment, roots: Roots) -> Unmet | None:
        condition = segment.condition
        if self._first_evaluations.get(segment.id) is False:
            return TOO_MUCH
        inputs = self._read(condition, roots)
        if not condition.objects:
            self.work.spent += condition.least_work  # the next charge compares it with the limit, as after `is_due`
            return condition.unmet(inputs)
        units = self._units(condition, inputs)
        if not condition.reads_profile_only or segment.id in self._first_evaluations:
            self.work.charge(units, "the segment", segment.id)
        elif not self._charge_first(segment, units):
            return TOO_MUCH
        return condition.unmet(inputs)

    def _charge_memo(self, segment: Segment) -> bool:
        """Charge the evaluation that the memo saves: the work must not depend on it. False if it is too much."""
        condition = segment.condition
        allowed = self._first_evaluations.get(segment.id)
        if allowed is None:
            inputs = self._read(condition, {"profile": self._draft.doc})
            allowed = self._charge_first(segment, self._units(condition, inputs))
        if allowed:
            self._evaluated[segment.id] = self._draft.clock
        return allowed

    def _charge_first(self, segment: Segment, units: int) -> bool:
        """Charge the first evaluation of a segment, unless the profile's share of the work does not allow it."""
        allowed = self._first_units + units <= self.work.limit // FIRST_EVALUATIONS_SHARE
        self._first_evaluations[segment.id] = allowed
        if allowed:
            self._first_units += units
            self.work.add(units)
        return allowed

    def memo(self) -> Memo | None:
        """The memo for the next call, once the draft is final; None when no event was applied under these rules."""
        if not self.under_rules:
            return None
        memo, draft, segments, repetitions = self._memo, self._draft, self._rules.segments, self.repetitions
        if memo and not self._has_evaluated and not repetitions.new and memo.parts.isdisjoint(draft.changed_at):
            return memo
        evaluated, parts = [], CONSENT_PARTS
        for segment_id, clock in self._evaluated.items():
            read = segments[segment_id].condition.parts
            if not draft.changed_since(clock, read):
                evaluated.append(segment_id)
                parts |= read
        return Memo(self._rules.fingerprint, frozenset(evaluated), repetitions.after_call(), parts)


class EventRoots:
    """The documents that the conditions and steps of one call read."""

    __slots__ = ("_call", "_draft", "_session", "_session_parts", "_source")

    def __init__(self, call: Track, source: Source, session: Session, draft: Draft) -> None:
        self._call = call
        self._source = source
        self._session = session
        self._draft = draft
        self._session_parts: JsonObject | None = None  # decoded once a call

    def of(self, event: TrackedEvent, plan: Plan) -> Roots:
        """Those that the plan reads for an event."""
        roots = {"profile": self._draft.doc, "properties": event.properties, "context": event.context}
        reads = plan.reads
        if "event" in reads:
            roots["event"] = self._event_document(event, plan)
        if "session" in reads:
            roots["session"] = self._session_document()
        if "source" in reads:
            source = self._source
            roots["source"] = {"id": source.id, "name": source.name, "tags": list(source.tags)}
        return roots

    def _event_document(self, event: TrackedEvent, plan: Plan) -> JsonObject:
        call = self._call
        created = min(event.created, call.received)  # a client's clock may be ahead
        return {
            "id": event.id,
            "type": event.type,
            "properties": event.properties,
            "context": event.context,
            "tags": list(plan.tags),
            "metadata": {"time": {"create": created, "insert": call.received}, "ip": call.ip},
        }

    def _session_document(self) -> JsonObject:
        """Empty without consent."""
        session = self._session
        if lacks_consent(self._source, self._draft):
            return {"id": session.id, "context": {}, "properties": {}}
        if self._session_parts is None:
            self._session_parts = {"context": session.context, "properties": session.properties}
        return {"id": session.id, **self._session_parts}
