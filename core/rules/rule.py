"""Compiled rules and segments, and the results of running them. Pure."""

import re

from msgspec import Struct

from trackd.config.settings import Limits
from trackd.core.rules.conditions import Condition, Roots, Unmet
from trackd.core.rules.consents import EventTime
from trackd.core.rules.draft import Draft
from trackd.core.rules.paths import path_text
from trackd.core.rules.steps import COUNTERS, EACH, ConsentStep, Step
from trackd.core.work import CHANGED, CONSENT_CHARACTER, RULE, SKIPPED, STEP, Work


class Skipped(Struct, frozen=True):
    """A step that a rule left out."""

    what: str
    why: str
    notable: bool = True
    """Whether it gets an entry in `debugging.logs`."""

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.what else self.why


class RuleRun(Struct, frozen=True):
    """The result of one rule for one event."""

    rule: str
    changed: tuple[str, ...] = ()
    """The paths that the rule changed."""
    skipped: tuple[Skipped, ...] = ()
    unmet: Unmet | None = None
    """Why the rule did not run at all."""


class Rule(Struct, frozen=True):
    """Steps that are taken when the condition holds."""

    name: str
    condition: Condition | None
    steps: tuple[Step | ConsentStep, ...]

    @property
    def work(self) -> int:
        """The units of a run that changes nothing, without those of the condition."""
        return RULE + STEP * len(self.steps)

    @property
    def character_work(self) -> int:
        """Units for each character of the event's properties: those of consents, which may be many in one event."""
        return CONSENT_CHARACTER * sum(isinstance(step, ConsentStep) and step.target[-1] == EACH for step in self.steps)

    @property
    def changes_consents(self) -> bool:
        return any(isinstance(step, ConsentStep) for step in self.steps)

    @property
    def changes_counters(self) -> bool:
        return any(step.target[:2] == COUNTERS for step in self.steps)

    @property
    def depends_on_consents(self) -> bool:
        """Whether its result follows from the event's properties and the profile's consents alone."""
        return self.condition is None and all(
            isinstance(step, ConsentStep)
            and step.valid_for_days is None
            and (step.operand.source is None or step.operand.source[0] == "properties")
            for step in self.steps
        )

    @property
    def reads(self) -> frozenset[str]:
        """The roots that its condition and its steps read."""
        sources = frozenset(step.operand.source[0] for step in self.steps if step.operand.source is not None)
        return sources | self.condition.reads if self.condition else sources

    def run(self, draft: Draft, roots: Roots, time: EventTime, limits: Limits, work: Work) -> RuleRun:
        """Take the steps in their order, without those that fail. Roll back all if the profile becomes too large.

        A run that changes nothing and skips nothing is charged with nothing: the memo may save it.
        """
        draft.settle()
        size, units = draft.size, draft.work
        changed: dict[str, None] = {}
        skipped: list[Skipped] = []
        for step in self.steps:
            for path, error in step.take(draft, roots, time, limits):
                if error is None:
                    changed[path_text(path)] = None
                else:
                    skipped.append(Skipped(f"{step.op} {path_text(path)}", str(error), error.notable))
        work.charge(draft.work - units + CHANGED * len(changed) + SKIPPED * len(skipped), "the rule", self.name)
        if draft.size > limits.max_profile_bytes and draft.size > size:
            draft.roll_back()
            limit = f"the profile would be larger than {limits.max_profile_bytes} bytes (limits.max_profile_bytes)"
            return RuleRun(self.name, tuple(self._withdraw(draft, roots, time, limits)), (Skipped("", limit),))
        return RuleRun(self.name, tuple(changed), tuple(skipped))

    def _withdraw(self, draft: Draft, roots: Roots, time: EventTime, limits: Limits) -> list[str]:
        """Take the consents back that the rule withdraws: that is possible however large the profile is."""
        steps = [step for step in self.steps if isinstance(step, ConsentStep)]
        return [path_text(path) for step in steps for path in step.withdraw(draft, roots, time, limits)]


def segment_id(name: str) -> str:
    """The id of the segment with this name; empty for a name without a letter or digit."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")


class SegmentChange(Struct, frozen=True):
    """A profile entered a segment or left it, or the evaluation failed."""

    segment: str
    entered: bool = False
    failed: str | None = None
    """Why the evaluation failed. The profile stays as it was."""


class Segment(Struct, frozen=True):
    """`id` is in the profile's `segments` as long as the condition holds."""

    id: str
    condition: Condition
    name: str = ""
    """Its name in the rules file, from which the id is made."""
    event_types: tuple[str, ...] = ()
    """The types of the events after which it is evaluated; none for any."""

    def update(self, draft: Draft, unmet: Unmet | None) -> SegmentChange | None:
        """Let the profile enter or leave the segment. Returns None when it does neither.

        `unmet`: why the condition does not hold, None when it holds.
        """
        if unmet is not None and unmet.failed:
            return SegmentChange(self.id, failed=unmet.why)
        segments: list[str] = draft.doc["segments"]
        if (self.id in segments) == (unmet is None):
            return None
        kept = [segment for segment in segments if segment != self.id]
        draft.put(("segments",), kept if unmet else [*segments, self.id])
        return SegmentChange(self.id, entered=unmet is None)
