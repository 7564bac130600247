"""What happened since the start, as numbers that grow; `http/metrics.py` shows them."""

from collections import defaultdict

from trackd.core.calls import EventOutcome
from trackd.telemetry.histogram import Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_CALLS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Tally:
    """Filled where things happen, by whoever runs on the event loop's thread, at about 1 µs a call in all.

    `calls` are those of `/track` by status, `events` those of calls that were answered, by source. `messages` are
    those that actors handled, `faults` those on which they raised. `active_profiles` and `cached_sessions` are what
    the directory held at its last tick.
    """

    def __init__(self) -> None:
        self.calls: defaultdict[int, int] = defaultdict(int)
        self.call_seconds = Histogram(SECONDS)
        self.events: defaultdict[tuple[str, EventOutcome], int] = defaultdict(int)
        self.batch_calls = Histogram(BATCH_CALLS)
        self.commit_seconds = Histogram(SECONDS)
        self.failed_commits = 0
        self.messages: defaultdict[type, int] = defaultdict(int)
        self.faults: defaultdict[type, int] = defaultdict(int)
        self.active_profiles = 0
        self.cached_sessions = 0

    def call_answered(self, status: int, seconds: float) -> None:
        self.calls[status] += 1
        self.call_seconds.observe(seconds)
