"""The last hour of a server in numbers, all of which `/metrics` has too: a sample every five seconds, bounded."""

import asyncio
import contextlib
import time
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from trackd.actors.tracker import Tracker
from trackd.telemetry.histogram import Histogram
from trackd.telemetry.tally import SECONDS

EVERY_S = 5.0
KEPT = 721  # an hour, and the sample before it
POINTS = 120


class Sample(Struct, frozen=True):
    """Counts since the start of the server, and what was so at `time`, in monotonic seconds."""

    time: float
    calls: int
    events: int
    durations: Sequence[int]
    """The numbers of calls up to each bound of `SECONDS`, and of all."""
    commits: Sequence[int]
    queued: int
    profiles: int
    size: int


class Point(Struct, frozen=True):
    """A span between two samples. Durations are in seconds, None when nothing happened."""

    ended: float
    calls_per_s: float
    events_per_s: float
    call_p50: float | None
    call_p99: float | None
    commit_p50: float | None
    commit_p99: float | None
    queued: int
    profiles: int
    size: int


class Samples:
    """`sizes` reads the bytes of the store by part."""

    def __init__(
        self,
        tracker: Tracker,
        sizes: Callable[[], Mapping[str, int]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracker = tracker
        self._sizes = sizes
        self._monotonic = monotonic
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self.number = 0
        """The samples that were ever taken."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes samples within the block."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()

    async def _run(self) -> None:
        while True:
            self.take()
            await asyncio.sleep(EVERY_S)

    def take(self) -> None:
        tally = self._tracker.tally
        self.number += 1
        self._samples.append(
            Sample(
                self._monotonic(),
                sum(tally.calls.values()),
                sum(tally.events.values()),
                _counts(tally.call_seconds),
                _counts(tally.commit_seconds),
                self._tracker.queue.calls,
                tally.active_profiles,
                sum(self._sizes().values()),
            )
        )

    def points(self) -> list[Point]:
        """At most POINTS points from the oldest sample to the newest one, none without two samples."""
        samples = list(self._samples)
        step = -(-(len(samples) - 1) // POINTS) or 1
        chosen = samples[::-step][::-1]
        return [_point(before, after) for before, after in pairwise(chosen)]

    def now(self, spans: int = 6) -> Point | None:
        """The last half minute, less after the start; None without two samples."""
        newest = list(self._samples)[-spans - 1 :]
        return _point(newest[0], newest[-1]) if len(newest) > 1 else None


def _counts(histogram: Histogram) -> Sequence[int]:
    return array("Q", [number for _, number in histogram.cumulative()])


def _point(before: Sample, after: Sample) -> Point:
    lasted = after.time - before.time or EVERY_S
    calls = [after - before for before, after in zip(before.durations, after.durations, strict=True)]
    commits = [after - before for before, after in zip(before.commits, after.commits, strict=True)]
    return Point(
        after.time,
        (after.calls - before.calls) / lasted,
        (after.events - before.events) / lasted,
        quantile(calls, 0.5),
        quantile(calls, 0.99),
        quantile(commits, 0.5),
        quantile(commits, 0.99),
        after.queued,
        after.profiles,
        after.size,
    )


def quantile(cumulative: Sequence[int], share: float) -> float | None:
    """The value that a share of all does not exceed, by the counts up to each bound of SECONDS; None without any.

    Within its two bounds values are taken as spread evenly. Past the last bound it is that bound.
    """
    wanted, below, lower = cumulative[-1] * share, 0, 0.0
    if not cumulative[-1]:
        return None
    for bound, number in zip(SECONDS, cumulative, strict=False):
        if number >= wanted:
            return lower + (bound - lower) * (wanted - below) / (number - below)
        below, lower = number, bound
    return lower
