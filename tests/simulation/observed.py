"""The requests of a history, each with the observations of it."""

from dataclasses import dataclass, field
from typing import Any

from tests.simulation.contention import State
from tests.simulation.model import Effect, ModelProfile
from trackd.core.calls import Answer, Request


@dataclass(slots=True)
class Observed:
    """A request, and the observations of it.

    `failures` and `contention` are those of its node when it was sent. `min_seqs`: the highest `seq` that was
    answered before, by the birth of each profile. `effect`: what the call did when it was written. `empty_effects`:
    the effects that its answer may report if it wrote nothing. `possible`: the profiles that could answer it when its
    node decided, before another node wrote. `segments`: those that a re-evaluation entered and left when it was
    written. `unchanged`: the re-evaluation may have changed nothing. `lost`: its node crashed before it answered.
    `may_be_refused`: it may be refused although it is stored. `deleted`: the seq of the events, by profile and id, that
    retention deleted while it waited: it may have been decided before. `states`: those of the profile that
    the request names, when it was sent and after each write since. `was_absent`: it did not exist then or later.
    """

    request: Request[Any]
    node: int
    rules: int
    failures: int
    contention: State
    min_seqs: dict[int, int]
    answer: Answer | None = None
    lost: bool = False
    effect: Effect | None = None
    empty_effects: list[Effect] = field(default_factory=list)
    possible: set[str | None] = field(default_factory=set)
    erased: str | None = None
    segments: tuple[frozenset[str], frozenset[str]] | None = None
    unchanged: bool = False
    may_be_refused: bool = False
    states: list[ModelProfile | None] = field(default_factory=list)
    was_absent: bool = False
    deleted: dict[str, dict[str, int | None]] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return self.answer is None and not self.lost
