"""Plays many histories, in one process or in many."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from tests.mutants import MUTANTS
from tests.simulation.histories import history
from tests.simulation.violation import Violation
from tests.simulation.world import play

AT_ONCE = 10  # histories that a process is given


class Played(NamedTuple):
    """The result of some histories. `failing` is the first seed with a violation, `why` describes it."""

    steps: int
    last_seed: int
    failing: int | None = None
    why: str = ""


def play_seeds(first: int, mutant: str | None = None, number: int = AT_ONCE) -> Played:
    """Play the histories of `number` seeds, up to the first violation."""
    steps = 0
    with MUTANTS[mutant]() if mutant else nullcontext():
        for seed in range(first, first + number):
            try:
                steps += play(history(seed))
            except Violation as violation:
                return Played(steps, seed, seed, str(violation))
    return Played(steps, seed)


@contextmanager
def ending(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Shut the pool down without waiting for histories that are no longer needed after a violation."""
    try:
        yield
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def play_many(seed: int, seconds: float, steps: int, mutant: str | None) -> Iterator[Played]:
    """Play histories in all processes until the seconds or the steps are reached."""
    processes, end, played = os.cpu_count() or 1, time.monotonic() + seconds, 0
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool, ending(pool):
        waiting: set[Future[Played]] = set()
        while True:
            while len(waiting) < 2 * processes and time.monotonic() < end and played < steps:
                waiting.add(pool.submit(play_seeds, seed, mutant))
                seed += AT_ONCE
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                played += future.result().steps
                yield future.result()
