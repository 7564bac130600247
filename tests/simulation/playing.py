"""Plays many histories, in one process or in many."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext
from multiprocessing.util import Finalize
from typing import NamedTuple

from tests.simulation.disk import MakeDisk, disk_of
from tests.simulation.histories import history
from tests.simulation.postgres_disk import postgres_disks
from tests.simulation.violation import Violation
from tests.simulation.world import play
from tests.store_mutants import ALL_MUTANTS
from tests.support.postgres import server, with_database

AT_ONCE = 10  # histories that a process is given


class Choice(NamedTuple):
    """What is played. `mutant` is a name, `nodes` see `history`; `in_postgres`: on a PostgreSQL server."""

    mutant: str | None = None
    nodes: int | None = None
    in_postgres: bool = False

    @property
    def options(self) -> str:
        """Those of the command that plays the same, after a blank each."""
        mutant = f" --mutant {self.mutant}" if self.mutant else ""
        nodes = f" --nodes {self.nodes}" if self.nodes else ""
        return mutant + nodes + (" --postgres" if self.in_postgres else "")


class Played(NamedTuple):
    """The result of some histories. `failing` is the first seed with a violation, `why` describes it."""

    steps: int
    last_seed: int
    failing: int | None = None
    why: str = ""


def play_seeds(
    first: int,
    mutant: str | None = None,
    number: int = AT_ONCE,
    nodes: int | None = None,
    make_disk: MakeDisk = disk_of,
) -> Played:
    """Play the histories of `number` seeds, up to the first violation."""
    steps = 0
    with ALL_MUTANTS[mutant]() if mutant else nullcontext():
        for seed in range(first, first + number):
            try:
                steps += play(history(seed, nodes=nodes), make_disk)
            except Violation as violation:
                return Played(steps, seed, seed, str(violation))
    return Played(steps, seed)


@contextmanager
def disks_of(choice: Choice) -> Iterator[MakeDisk]:
    """The disks for what is played; a server for them ends with the block."""
    if not choice.in_postgres:
        yield disk_of
        return
    with server() as url, postgres_disks(with_database(url, f"simulation_{os.getpid()}")) as make_disk:
        yield make_disk


_make_disk: MakeDisk = disk_of  # of this process


def _set_up(choice: Choice) -> None:
    """For a process of the pool: its server ends with it."""
    global _make_disk
    stack = ExitStack()
    Finalize(None, stack.close, exitpriority=10)  # `atexit` is not run
    _make_disk = stack.enter_context(disks_of(choice))


def _play_some(first: int, choice: Choice) -> Played:
    return play_seeds(first, choice.mutant, nodes=choice.nodes, make_disk=_make_disk)


@contextmanager
def ending(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Shut the pool down without waiting for histories that are no longer needed after a violation."""
    try:
        yield
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def play_many(seed: int, seconds: float, steps: int, choice: Choice, processes: int) -> Iterator[Played]:
    """Play histories in so many processes until the seconds or the steps are reached."""
    end, played = time.monotonic() + seconds, 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _set_up, (choice,)) as pool, ending(pool):
        waiting: set[Future[Played]] = set()
        while True:
            while len(waiting) < 2 * processes and time.monotonic() < end and played < steps:
                waiting.add(pool.submit(_play_some, seed, choice))
                seed += AT_ONCE
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                played += future.result().steps
                yield future.result()
