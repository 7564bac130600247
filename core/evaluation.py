"""Evaluating the conditions of one call: the documents that they read, their work, and the memo. Pure."""

from collections.abc import Iterable

from trackd.config.settings import Limits
from trackd.core.calls import Track, TrackedEvent
from trackd.core.documents import JsonObject, Session, Source
from trackd.core.rules.conditions import Condition, Inputs, Roots, Unmet
from trackd.core.rules.draft import Draft
from trackd.core.rules.memo import Memo
from trackd.core.rules.repetitions import Repetitions
from trackd.core.rules.rule import Rule, Segment, SegmentChange
from trackd.core.rules.ruleset import Plan, RuleSet
from trackd.core.work import CALL, DOCUMENT_BYTE, Work

BY_MEMO = 0  # in place of the draft's clock
FIRST_EVALUATIONS_SHARE = 4  # a quarter of the work
TOO_MUCH = Unmet("the segments of this profile take too much work (limits.max_call_work)", failed=True)


def _of_profile(names: Iterable[str]) -> bool:
    return all(name.startswith("profile.") for name in names)


def lacks_consent(source: Source, draft: Draft) -> bool:
    """Whether the source requires consent and the profile has granted none."""
    return source.consent and not draft.doc["consents"]


class ProfileEvaluation:
    """The evaluations of one call or re-evaluation, and its count of work.

    A segment is due when something that its condition reads has changed since its last evaluation.

    The first evaluation of a segment that reads the profile only is work that the profile causes, whatever the call. If
    these are more than their share of the work, segments fail: a call would be refused again each time it is sent.
    """

    __slots__ = (
        *("_converted", "_draft", "_evaluated", "_first_evaluations", "_first_units", "_inputs", "_max_first_units"),
        *("_memo", "_rules", "repetitions", "under_rules", "work"),
    )

    def __init__(self, draft: Draft, limits: Limits, rules: RuleSet, memo: Memo | None) -> None:
        """`memo`: that of the call before; one that other rules made is ignored."""
        if memo is not None and memo.rules != rules.fingerprint:
            memo = None
        self.under_rules = memo is not None  # no segment of the profile is missing in these rules
        self.repetitions = Repetitions(draft, memo.repetitions if memo else ())
        self._memo = memo
        self._rules = rules
        self._draft = draft
        self._evaluated = dict.fromkeys(memo.evaluated, BY_MEMO) if memo else {}  # segment id: the draft's clock
        self.work = Work(limits.max_call_work, CALL + DOCUMENT_BYTE * draft.size)
        self._max_first_units = limits.max_call_work // FIRST_EVALUATIONS_SHARE
        self._first_units = 0
        self._first_evaluations: dict[str, bool] = {}  # segment id: whether the profile's share allowed it
        self._inputs: dict[tuple[str, ...], tuple[int, Inputs]] = {}  # by their names, with the draft's clock
        self._converted: dict[tuple[str, ...], int] = {}  # the names of what is charged, with the draft's clock

    def leave_old_segments(self) -> tuple[SegmentChange, ...]:
        """Let the profile leave the segments that the rules do not have."""
        self.under_rules = True
        segments: list[str] = self._draft.doc["segments"]
        old = [segment for segment in segments if segment not in self._rules.segments]
        if old:
            self._draft.put(("segments",), [segment for segment in segments if segment not in old])
        return tuple(SegmentChange(segment) for segment in old)

    def unmet(self, rule: Rule, condition: Condition, roots: Roots) -> Unmet | None:
        """Evaluate the condition of a rule."""
        inputs = self._read(condition, roots)
        self.work.charge(self._units(condition, inputs), "the condition of the rule", rule.name)
        return condition.unmet(inputs)

    def _read(self, condition: Condition, roots: Roots) -> Inputs:
        """The inputs of a condition: those of one before that names the same, unless the profile changed since."""
        known = self._inputs.get(condition.names)
        if known is not None and not self._draft.changed_since(known[0], condition.parts):
            return known[1]
        inputs = condition.read(roots)
        self._inputs[condition.names] = self._draft.clock, inputs
        return inputs

    def _units(self, condition: Condition, inputs: Inputs) -> int:
        """Those of an evaluation. The conversion of its inputs is charged once."""
        units = condition.work(inputs)
        at = self._converted.get(condition.names)
        if inputs.converts_each_time or at is None or self._draft.changed_since(at, condition.parts):
            self._converted[condition.names] = self._draft.clock
            units += inputs.sizes.conversion * (1 + inputs.converts_each_time)
        return units

    def is_due(self, segment: Segment) -> bool:
        last = self._evaluated.get(segment.id)
        if last is None or self._draft.changed_since(last, segment.condition.parts):
            return True
        if last == BY_MEMO:
            condition = segment.condition
            if condition.objects:
                return not self._charge_memo(segment)
            self.work.spent += condition.least_work
            self._evaluated[segment.id] = self._draft.clock
        return False

    def segment_change(self, segment: Segment, roots: Roots) -> SegmentChange | None:
        """Evaluate a segment's condition, and let the profile enter or leave it."""
        condition, draft = segment.condition, self._draft
        clock = draft.clock
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
        allowed = self._first_units + units <= self._max_first_units
        self._first_evaluations[segment.id] = allowed
        if allowed:
            self._first_units += units
            self.work.spent += units
        return allowed

    def memo(self) -> Memo | None:
        """The memo for the next call, once the draft is final; None when no event was applied under these rules."""
        if not self.under_rules:
            return None
        changed_since, segments = self._draft.changed_since, self._rules.segments
        evaluated = []
        for segment_id, clock in self._evaluated.items():
            if not changed_since(clock, segments[segment_id].condition.parts):
                evaluated.append(segment_id)
        repetitions, memo = self.repetitions.after_call(), self._memo
        if (
            memo
            and repetitions is memo.repetitions
            and len(evaluated) == len(memo.evaluated)
            and memo.evaluated.issuperset(evaluated)
        ):
            return memo
        return Memo(self._rules.fingerprint, frozenset(evaluated), repetitions)


class Evaluation(ProfileEvaluation):
    """The evaluations of one call, whose conditions may also read its events, its session and its source."""

    __slots__ = ("_call", "_session", "_session_parts", "_source")

    def __init__(
        self,
        call: Track,
        source: Source,
        session: Session,
        draft: Draft,
        limits: Limits,
        rules: RuleSet,
        memo: Memo | None,
    ) -> None:
        super().__init__(draft, limits, rules, memo)
        self._call = call
        self._source = source
        self._session = session
        self._session_parts: JsonObject | None = None  # decoded once a call

    def roots(self, event: TrackedEvent, plan: Plan) -> Roots:
        """The documents that the conditions and steps of the plan read."""
        for names in [names for names in self._inputs if not _of_profile(names)]:
            del self._inputs[names]
            self._converted.pop(names, None)
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
