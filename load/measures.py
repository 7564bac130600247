"""Figures of a run: counts, latencies, and both over time."""

from collections import Counter
from dataclasses import dataclass, field

from ddsketch import DDSketch

RELATIVE_ACCURACY = 0.0005  # of percentiles: three digits
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)


@dataclass(frozen=True)
class Interval:
    """Figures of one interval. Times in seconds, latencies in milliseconds."""

    began: float
    lasted: float
    answers: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate(self) -> float:
        return self.answers / self.lasted


@dataclass
class Measures:
    """Counted by the driver; `close_interval` ends an interval."""

    answers: int = 0  # 200, of retries too
    retries: int = 0
    cut: int = 0
    lost: int = 0
    late: int = 0  # open loop: calls that were due and never sent
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)  # of calls answered since the interval began
    intervals: list[Interval] = field(default_factory=list)
    sketch: DDSketch = field(default_factory=lambda: DDSketch(RELATIVE_ACCURACY))
    _interval_began: float = 0.0
    _answers: int = 0
    _errors: int = 0

    @property
    def errors(self) -> int:
        """Answers that are not 200, and connections that were lost but not cut on purpose."""
        return sum(count for status, count in self.statuses.items() if status != 200) + self.lost

    def record_latency(self, latency_s: float) -> None:
        """Record the latency of an answered call. Each at once: many together would delay the clients."""
        self.latencies_s.append(latency_s)
        self.sketch.add(latency_s)

    def close_interval(self, now: float) -> Interval:
        """End the current interval and return it; `now` counts from the start of the run."""
        latencies, self.latencies_s = sorted(self.latencies_s), []
        p50, p99, top = (
            [1e3 * latencies[min(int(share * len(latencies)), len(latencies) - 1)] for share in (0.5, 0.99, 1)]
            if latencies
            else (0.0, 0.0, 0.0)
        )
        lasted = max(now - self._interval_began, 1e-9)
        answers, errors = self.answers - self._answers, self.errors - self._errors
        interval = Interval(self._interval_began, lasted, answers, errors, p50, p99, top)
        self._interval_began, self._answers, self._errors = now, self.answers, self.errors
        self.intervals.append(interval)
        return interval

    def percentile_ms(self, percentile: float) -> float:
        return 1e3 * (self.sketch.get_quantile_value(percentile / 100) or 0.0)

    @property
    def duration_s(self) -> float:
        return self._interval_began

    @property
    def throughput(self) -> float:
        return self.answers / self._interval_began if self._interval_began else 0.0
