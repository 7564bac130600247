"""Repeated consents: an event that would change nothing again need not run its rules. Pure.

Many clients send the same consents with every visit; docs/performance.md has what this saves.
"""

from msgspec import Struct

from trackd.config.settings import Limits
from trackd.core.calls import TrackedEvent
from trackd.core.rules.conditions import Roots
from trackd.core.rules.consent_history import keep_arrivals
from trackd.core.rules.draft import Draft
from trackd.core.rules.rule import RuleRun
from trackd.core.rules.ruleset import Plan
from trackd.core.rules.steps import ConsentStep
from trackd.core.rules.traces import trace_of
from trackd.core.work import DRAFT_ITEM, Work

CONSENT_PARTS = frozenset(["consents", "metadata.consents"])
MAX_REPETITIONS, MAX_PROPERTIES = 4, 200  # of a profile; characters of JSON


class Repetition(Struct, frozen=True):
    """An event that grants what is granted and withdraws what is withdrawn, with the runs of its rules."""

    event_type: str
    properties: str
    """As JSON."""
    runs: tuple[RuleRun, ...] = ()
    schema_units: int = 0
    """The work of its schema: the event is valid."""
    withdrawals: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The name of the rule of each step that withdraws, with its consents. Their arrival is kept each time."""
    since: str = ""
    """An earlier event is no repetition: a consent that it grants was withdrawn after it happened."""
    trace: str | None = None
    """See `trace_of`."""


Repeated = tuple[Repetition, ...]


class Repetitions(Struct, eq=False):
    """The repetitions of one call, for events whose plan `depends_on_consents`."""

    draft: Draft
    limits: Limits
    repeated: Repeated
    """The result of `after_call` for the call before."""
    new: dict[tuple[str, str], tuple[TrackedEvent, Plan, Roots]] = {}
    """The last events that are perhaps repetitions from the next call on, by type and properties."""

    def find(self, event: TrackedEvent) -> Repetition | None:
        """The repetition with the content of this event."""
        for known in self.repeated:
            if known.properties == event.properties_json and known.event_type == event.type:
                changed = self.draft.changed_at
                return None if "consents" in changed or "metadata.consents" in changed else known
        return None

    def repeat(self, repetition: Repetition, happened: str, received: str, work: Work) -> bool:
        """Note that an event came again, with the work of its rules. False if these must run."""
        if happened < repetition.since:
            return False
        for _, consents in repetition.withdrawals:
            if not keep_arrivals(self.draft, consents, received, self.limits.max_profile_bytes):
                return False
        for rule, _ in repetition.withdrawals:
            work.charge(DRAFT_ITEM * len(self.draft.doc["metadata"]["consents"]), "the rule", rule)
        return True

    def add(self, event: TrackedEvent, plan: Plan, roots: Roots) -> None:
        """Add a valid event whose rules ran and skipped nothing."""
        if len(event.properties_json) > MAX_PROPERTIES:
            return
        self.new[event.type, event.properties_json] = event, plan, roots
        if len(self.new) > MAX_REPETITIONS:
            del self.new[next(iter(self.new))]

    def after_call(self) -> Repeated:
        """The repetitions that hold for the next call, once the draft is final."""
        kept = () if self.draft.changed_since(0, CONSENT_PARTS) else self.repeated
        for event, plan, roots in self.new.values():
            repetition = self._repetition(event, plan, roots)
            if repetition is not None and repetition not in kept:
                kept = (*kept, repetition)[-MAX_REPETITIONS:]
        return kept

    def _repetition(self, event: TrackedEvent, plan: Plan, roots: Roots) -> Repetition | None:
        """The event as a repetition. None if its rules would change something again."""
        withdrawals, since = [], ""
        for rule in plan.rules:
            for step in rule.steps:
                if isinstance(step, ConsentStep):
                    repeated = step.repeated(self.draft, roots, self.limits)
                    if repeated is None:
                        return None
                    withdrawn, granted_since = repeated
                    since = max(since, granted_since)
                    if withdrawn:
                        withdrawals.append((rule.name, withdrawn))
        runs = tuple([RuleRun(rule.name) for rule in plan.rules])
        units = plan.schema.units(event) if plan.schema else 0
        trace = trace_of(runs, self.limits.max_trace_bytes)
        return Repetition(event.type, event.properties_json, runs, units, tuple(withdrawals), since, trace)
