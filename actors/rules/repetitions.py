"""Consents that are said again and again: what changed nothing before need not run its rules again. Pure."""

from collections.abc import Mapping
from sys import intern

from trackd.actors.rules.draft import Draft
from trackd.actors.rules.rules import RuleRun

CONSENT_PARTS = frozenset(["consents", "metadata.consents"])
MAX_REPETITIONS, MAX_REPEATED = 4, 200  # of a profile; characters of JSON

Said = tuple[str, str]  # the type of an event, and its properties as JSON


class Repetitions:
    """For events whose plan rests on consents, in one call. `known` is what the call before it left, see `now`."""

    def __init__(self, draft: Draft, known: Mapping[Said, tuple[RuleRun, ...]]) -> None:
        self._draft = draft
        self._known = known
        self._new: dict[Said, tuple[int, tuple[RuleRun, ...]]] = {}  # with the draft's clock

    def runs(self, said: Said) -> tuple[RuleRun, ...]:
        """What became of the rules the last time, when it is the same now; nothing when that is not known."""
        runs = self._known.get(said, ())
        return () if runs and self._draft.changed_since(0, CONSENT_PARTS) else runs

    def note(self, said: Said, runs: tuple[RuleRun, ...]) -> None:
        """It was valid, and the rules changed nothing and skipped nothing."""
        if len(said[1]) <= MAX_REPEATED:
            event_type, properties = said
            self._new[event_type, intern(properties)] = self._draft.clock, runs  # most profiles say the same

    def now(self) -> Mapping[Said, tuple[RuleRun, ...]]:
        """For the call after this one, once the draft is final."""
        kept = {} if self._draft.changed_since(0, CONSENT_PARTS) else self._known
        for said, (clock, runs) in self._new.items():
            if not self._draft.changed_since(clock, CONSENT_PARTS):
                kept = dict([*kept.items(), (said, runs)][-MAX_REPETITIONS:])
        return kept
