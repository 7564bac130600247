"""Shrinks a failing history: removes steps as long as it still fails."""

from collections.abc import Callable

from tests.simulation.disk import MakeDisk, disk_of
from tests.simulation.steps import History, Step
from tests.simulation.violation import Violation
from tests.simulation.world import play

MAX_PLAYS = 2_000


def violation_of(history: History, make_disk: MakeDisk = disk_of) -> Violation | None:
    try:
        play(history, make_disk)
    except Violation as violation:
        return violation
    return None


def shrunk(history: History, fails: Callable[[History], object] = violation_of) -> History:
    """Remove half of the steps at once, then a quarter, and so on down to single ones, as long as that helps.

    This is delta debugging (Zeller). The shrunk history may fail for another reason than the first one.
    """
    steps, plays = list(history.steps), 0
    size = len(steps) // 2
    while size and plays < MAX_PLAYS:
        before, place = len(steps), 0
        while place < len(steps) and plays < MAX_PLAYS:
            fewer = steps[:place] + steps[place + size :]
            plays += 1
            if fails(with_steps(history, fewer)):
                steps = fewer
            else:
                place += size
        if size > 1:
            size //= 2
        elif len(steps) == before:
            break
    return with_steps(history, steps)


def with_steps(history: History, steps: list[Step]) -> History:
    return history._replace(steps=tuple(steps))
