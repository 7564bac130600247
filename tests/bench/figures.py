"""The arithmetic of a comparison: rounds, medians, ratios, and whether a target is met. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")


class Round(Struct, frozen=True):
    """One load of one contestant. `cpu_us` is of the whole process tree, per call."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    errors: int
    cpu_us: float

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


class Medians(Struct, frozen=True):
    """Medians of a contestant's rounds; errors are summed. `ratio` is that of calls per second to the reference."""

    name: str
    per_second: float
    ratio: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: float
    errors: int


class Target(Struct, frozen=True):
    """A target: `value` is at least, or with `most` at most, `limit`."""

    what: str
    value: float
    limit: float
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.most else self.value >= self.limit


class Measure(Struct, frozen=True):
    """A figure other than throughput, such as memory, and its parts."""

    what: str
    value: float
    unit: str
    parts: Mapping[str, float] = {}


class Result(Struct, frozen=True, kw_only=True):
    """The result of a scenario. `rounds` are in the order in which they were taken, by contestant."""

    scenario: str
    question: str
    reference: str = ""
    medians: tuple[Medians, ...] = ()
    measures: tuple[Measure, ...] = ()
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()
    rounds: Mapping[str, Sequence[Round]] = {}


def ratio(rounds: Sequence[Round], reference: Sequence[Round]) -> float:
    """The ratio of calls per second, by turns; no number where the reference got no answer in any of them."""
    pairs = [(one, other) for one, other in zip(rounds, reference, strict=True) if other.calls]
    if not pairs:
        return math.nan
    return ratio_by_turns([one.per_second for one, _ in pairs], [other.per_second for _, other in pairs])


def ratio_by_turns(values: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios of each value to the reference's value of that turn: what drifts, drifts in both."""
    return statistics.median(one / other for one, other in zip(values, reference, strict=True))


def medians(rounds: Mapping[str, Sequence[Round]], reference: str) -> tuple[Medians, ...]:
    return tuple(
        Medians(
            name=name,
            per_second=statistics.median(each.per_second for each in taken),
            ratio=ratio(taken, rounds[reference]),
            p50_ms=statistics.median(each.p50_ms for each in taken),
            p99_ms=statistics.median(each.p99_ms for each in taken),
            p999_ms=statistics.median(each.p999_ms for each in taken),
            cpu_us=statistics.median(each.cpu_us for each in taken),
            errors=sum(each.errors for each in taken),
        )
        for name, taken in rounds.items()
    )


def in_turn(contestants: Sequence[T], number: int) -> Sequence[T]:
    """ABBA: each round has the reverse order of the one before, so that the first contestant has no advantage."""
    return contestants if number % 2 == 0 else contestants[::-1]


def in_turns(contestants: Sequence[T], rounds: int) -> list[T]:
    """The contestants of all rounds, see `in_turn`."""
    return [each for number in range(rounds) for each in in_turn(contestants, number)]
