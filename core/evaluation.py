"""Evaluating the conditions of one call: the documents that they read, their cost, and the memo. Pure."""

from trackd.config.settings import Limits
from trackd.core.calls import Track, TrackedEvent
from trackd.core.documents import JsonObject, Session, Source
from trackd.core.rules.conditions import Condition, Roots, Unmet
from trackd.core.rules.draft import Draft
from trackd.core.rules.memo import Memo
from trackd.core.rules.repetitions import Repetitions
from trackd.core.rules.rule import Segment, SegmentChange
from trackd.core.rules.ruleset import Plan, RuleSet


def lacks_consent(source: Source, draft: Draft) -> bool:
    """Whether the source requires consent and the profile has granted none."""
    return source.consent and not draft.doc["consents"]


class ProfileEvaluation:
    """The evaluations of one call or re-evaluation, together within `limits.max_condition_bytes`.

    A segment is due when something that its condition reads has changed since its last evaluation.
    """

    __slots__ = (
        *("_bytes", "_draft", "_evaluated", "_max_bytes", "_memo", "_rules"),
        *("repetitions", "under_rules"),
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
        self._max_bytes = limits.max_condition_bytes
        self._bytes = 0
        self._evaluated = dict.fromkeys(memo.evaluated, 0) if memo else {}  # segment id: the draft's clock

    def leave_old_segments(self) -> tuple[SegmentChange, ...]:
        """Let the profile leave the segments that the rules do not have."""
        self.under_rules = True
        segments: list[str] = self._draft.doc["segments"]
        old = [segment for segment in segments if segment not in self._rules.segments]
        if old:
            self._draft.put(("segments",), [segment for segment in segments if segment not in old])
        return tuple(SegmentChange(segment) for segment in old)

    def unmet(self, condition: Condition, roots: Roots) -> Unmet | None:
        """Evaluate a condition, unless those of this call have read as many bytes as they may."""
        inputs = condition.read(roots)
        self._bytes += inputs.cost
        if self._bytes > self._max_bytes:
            limit = f"{self._max_bytes} bytes (limits.max_condition_bytes)"
            return Unmet(f"the conditions of this call have read more than {limit}", failed=True)
        return condition.unmet(inputs)

    def is_due(self, segment: Segment) -> bool:
        last = self._evaluated.get(segment.id)
        return last is None or self._draft.changed_since(last, segment.condition.parts)

    def segment_change(self, segment: Segment, roots: Roots) -> SegmentChange | None:
        """Evaluate a segment's condition, and let the profile enter or leave it."""
        condition, draft = segment.condition, self._draft
        clock = draft.clock
        change = segment.update(draft, self.unmet(condition, roots))
        if condition.reads_profile_only and (change is None or change.failed is None):
            self._evaluated[segment.id] = clock
        return change

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

    __slots__ = ("_call", "_session", "_source")

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

    def roots(self, event: TrackedEvent, plan: Plan) -> Roots:
        """The documents that the conditions and steps of the plan read."""
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
        return {"id": session.id, "context": session.context, "properties": session.properties}
