"""Repeated consents: an event that changed nothing before need not run its rules again. Pure.

Many clients send the same consents with every visit; docs/performance.md has what this saves.
"""

from trackd.core.rules.draft import Draft
from trackd.core.rules.rule import RuleRun

CONSENT_PARTS = frozenset(["consents", "metadata.consents"])
MAX_REPETITIONS, MAX_PROPERTIES = 4, 200  # of a profile; characters of JSON

Content = tuple[str, str]  # the type of an event, and its properties as JSON
Repeated = tuple[tuple[Content, tuple[RuleRun, ...]], ...]  # each with the runs of its rules


class Repetitions:
    """The repetitions of one call, for events whose plan `depends_on_consents`."""

    __slots__ = ("_draft", "_new", "_repeated")

    def __init__(self, draft: Draft, repeated: Repeated) -> None:
        """`repeated`: the result of `after_call` for the call before."""
        self._draft = draft
        self._repeated = repeated
        self._new: dict[Content, tuple[int, tuple[RuleRun, ...]]] = {}  # with the draft's clock

    def runs(self, content: Content) -> tuple[RuleRun, ...]:
        """The runs of the rules when the event is a repetition, else nothing."""
        for known, runs in self._repeated:
            if known == content:
                return () if self._draft.changed_since(0, CONSENT_PARTS) else runs
        return ()

    def add(self, content: Content, runs: tuple[RuleRun, ...]) -> None:
        """Add a valid event whose rules changed nothing and skipped nothing."""
        if len(content[1]) <= MAX_PROPERTIES:
            self._new[content] = self._draft.clock, runs

    def after_call(self) -> Repeated:
        """The repetitions that hold for the next call, once the draft is final."""
        kept = () if self._draft.changed_since(0, CONSENT_PARTS) else self._repeated
        for content, (clock, runs) in self._new.items():
            if not self._draft.changed_since(clock, CONSENT_PARTS):
                kept = (*kept, (content, runs))[-MAX_REPETITIONS:]
        return kept
