"""The allowance of small calls, by the work of the costly ones lately."""

from trackd.core.work import FULL
from trackd.http.track.costly_work import (
    FORGOTTEN_PER_S,
    LITTLE,
    MUCH,
    VERY_LITTLE,
    VERY_MUCH,
    CostlyWork,
    allowance_of,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_more_work_there_was_the_smaller_is_the_allowance() -> None:
    work = CostlyWork(Clock())
    assert work.allowance() is FULL
    work.add(MUCH - 1)
    assert work.allowance() is FULL
    work.add(1)
    assert work.allowance() is LITTLE
    work.add(VERY_MUCH - MUCH)
    assert work.allowance() is VERY_LITTLE
    assert VERY_LITTLE.units < LITTLE.units


def test_work_is_forgotten_within_moments() -> None:
    work = CostlyWork(clock := Clock())
    work.add(VERY_MUCH)
    clock.now += (VERY_MUCH - MUCH) / FORGOTTEN_PER_S
    assert work.allowance() is LITTLE
    clock.now += 1
    assert work.allowance() is FULL
    work.add(MUCH - 1)
    assert work.allowance() is FULL


def test_a_large_call_has_an_allowance_by_its_size() -> None:
    assert LITTLE.units < allowance_of(2_000).units < allowance_of(100_000).units
    assert allowance_of(1_000_000).units > 250_000_000
