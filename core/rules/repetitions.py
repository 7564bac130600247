"""Consents that are said again and again: what changed nothing before need not run its rules again. Pure."""

from trackd.core.rules.draft import Draft
from trackd.core.rules.rule import RuleRun

CONSENT_PARTS = frozenset(["consents", "metadata.consents"])
MAX_REPETITIONS, MAX_REPEATED = 4, 200  # of a profile; characters of JSON

Said = tuple[str, str]  # the type of an event, and its properties as JSON
Repeated = tuple[tuple[Said, tuple[RuleRun, ...]], ...]  # with what became of the rules


class Repetitions:
    """For events whose plan rests on consents, in one call. `known` is what the call before it left, see `now`."""

    def __init__(self, draft: Draft, known: Repeated) -> None:
        self._draft = draft
        self._known = known
        self._new: dict[Said, tuple[int, tuple[RuleRun, ...]]] = {}  # with the draft's clock

    def runs(self, said: Said) -> tuple[RuleRun, ...]:
        """What became of the rules the last time, when it is the same now; nothing when that is not known."""
        for known, runs in self._known:
            if known == said:
                return () if self._draft.changed_since(0, CONSENT_PARTS) else runs
        return ()

    def note(self, said: Said, runs: tuple[RuleRun, ...]) -> None:
        """It was valid, and the rules changed nothing and skipped nothing."""
        if len(said[1]) <= MAX_REPEATED:
            self._new[said] = self._draft.clock, runs

    def now(self) -> Repeated:
        """For the call after this one, once the draft is final."""
        kept = () if self._draft.changed_since(0, CONSENT_PARTS) else self._known
        for said, (clock, runs) in self._new.items():
            if not self._draft.changed_since(clock, CONSENT_PARTS):
                kept = (*kept, (said, runs))[-MAX_REPETITIONS:]
        return kept
