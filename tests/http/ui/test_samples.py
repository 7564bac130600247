"""Samples of a server: bounded, and turned into rates and quantiles."""

from collections.abc import Iterator

import pytest

from trackd.actors.tracker import Tracker
from trackd.http.ui.samples import EVERY_S, KEPT, POINTS, Samples, quantile
from trackd.storage.memory import MemoryStore
from trackd.telemetry.histogram import Histogram
from trackd.telemetry.tally import SECONDS


class Clock:
    """Five seconds pass between two readings."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += EVERY_S
        return self.now


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(MemoryStore())


def test_without_two_samples_there_is_nothing_to_show(tracker: Tracker) -> None:
    samples = Samples(tracker, dict, Clock())
    assert (samples.points(), samples.now()) == ([], None)
    samples.take()
    assert (samples.points(), samples.now()) == ([], None)


def test_rates_are_those_between_two_samples(tracker: Tracker) -> None:
    samples = Samples(tracker, lambda: {"database": 3, "wal": 4}, Clock())
    samples.take()
    for _ in range(100):
        tracker.tally.call_answered(200, 0.002, "a")
    samples.take()
    samples.take()
    first, second = samples.points()
    assert (first.calls_per_s, second.calls_per_s) == (20, 0)
    assert first.call_p50 == pytest.approx(0.00175)
    assert (second.call_p50, second.commit_p99) == (None, None)
    assert second.size == 7
    now = samples.now()
    assert now is not None
    assert now.calls_per_s == 10


def test_an_hour_is_kept_and_shown_in_few_points_that_count_each_call_once(tracker: Tracker) -> None:
    samples = Samples(tracker, dict, Clock())
    for _ in range(3 * KEPT):
        tracker.tally.call_answered(200, 0.1)
        samples.take()
    points = samples.points()
    assert len(points) == POINTS
    assert points[-1].ended == pytest.approx(3 * KEPT * EVERY_S)
    assert {round(point.calls_per_s, 9) for point in points} == {1 / EVERY_S}


def values() -> Iterator[tuple[list[float], float, float]]:
    yield [0.0005] * 10, 0.5, 0.0005
    yield [0.002] * 99 + [4.0], 0.5, 0.00176
    yield [0.002] * 50 + [4.0] * 50, 0.99, 4.95
    yield [100.0], 0.5, 10.0


@pytest.mark.parametrize(("observed", "share", "expected"), list(values()))
def test_a_quantile_is_within_its_bounds(observed: list[float], share: float, expected: float) -> None:
    histogram = Histogram(SECONDS)
    for value in observed:
        histogram.observe(value)
    counts = [number for _, number in histogram.cumulative()]
    assert quantile(counts, share) == pytest.approx(expected, rel=0.01)


def test_nothing_has_no_quantile() -> None:
    assert quantile([0] * (len(SECONDS) + 1), 0.5) is None
