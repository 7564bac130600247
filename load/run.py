"""A load test from its probe to its verdict."""

import asyncio
import gc
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from trackd.load.calls import Writer
from trackd.load.driver import Driver
from trackd.load.errors import NotReadBackError
from trackd.load.history import History
from trackd.load.measures import Interval, Measures
from trackd.load.probe import probe
from trackd.load.read_back import read_back
from trackd.load.stored import Stored
from trackd.load.target import Target
from trackd.load.verdict import Verdict, judge
from trackd.load.workload import Mix, Workload

INTERVAL_S = 1.0


@dataclass(frozen=True)
class Plan:
    """The options of a run. It ends after `calls` or `duration_s`, the one that is reached first.

    `others` are further nodes on the same store, which take their share of the calls. All is read back from `target`.
    """

    target: Target
    source_id: str
    mix: Mix
    events_per_call: int
    calls: int | None = None
    duration_s: float | None = None
    rate: float | None = None
    token: str | None = None
    others: tuple[Target, ...] = ()

    @property
    def targets(self) -> tuple[Target, ...]:
        return (self.target, *self.others)


@dataclass(frozen=True)
class Result:
    """The outcome of a run. `not_read_back` is the reason why nothing was read back, None if it was."""

    plan: Plan
    history: History
    stored: Stored | None
    measures: Measures
    verdict: Verdict
    not_read_back: str | None
    read_back_failed: bool
    server_gone: bool


class Display(Protocol):
    """Shows the progress of a run."""

    def interval(self, interval: Interval, measures: Measures) -> None: ...

    def reading(self, profiles: int) -> AbstractContextManager[Callable[[int], None]]:
        """Yields a function that takes the number of profiles read back so far."""


async def run(plan: Plan, display: Display) -> Result:
    """Run the plan. The first Ctrl+C ends the load, the second one the waiting. Raises LoadError if it cannot begin."""
    history = History(secrets.token_hex(6), plan.events_per_call)
    for number, target in enumerate(plan.targets):
        await probe(target, plan.source_id, f"{history.run}n{number}", plan.events_per_call, plan.token)
    driver = Driver(
        plan.targets,
        Writer(plan.source_id, history),
        Workload(plan.mix),
        history,
        plan.mix.clients,
        calls=plan.calls,
        duration_s=plan.duration_s,
        rate=plan.rate,
    )
    with _interrupts(driver.stop):
        watching = asyncio.create_task(_watch(driver, display))
        with _no_collections():
            await driver.run()
        watching.cancel()
    stored, why, failed = await _stored(plan, history, display)
    verdict = judge(history, stored)
    return Result(plan, history, stored, driver.measures, verdict, why, failed, driver.server_gone)


async def _watch(driver: Driver, display: Display) -> None:
    while True:
        await asyncio.sleep(INTERVAL_S)
        display.interval(driver.measures.close_interval(driver.elapsed), driver.measures)


async def _stored(plan: Plan, history: History, display: Display) -> tuple[Stored | None, str | None, bool]:
    """The events that were read back; or None, the reason, and whether that is a failure."""
    if plan.token is None:
        return None, "no token was given", False
    with display.reading(len(history.profile_ids)) as report_progress:
        reading = asyncio.create_task(read_back(plan.target, plan.token, history, report_progress))
        with _interrupts(reading.cancel):
            try:
                return await reading, None, False
            except asyncio.CancelledError:
                return None, "it was interrupted", False
            except NotReadBackError as error:
                return None, str(error), True


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without the garbage collector, which would stop the clients while it walks through the whole history."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _interrupts(action: Callable[[], object]) -> Iterator[None]:
    """Within the block Ctrl+C and SIGTERM run the action in the event loop; then they do what they did before."""
    loop = asyncio.get_running_loop()
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(action))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
