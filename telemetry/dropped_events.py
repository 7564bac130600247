"""Counts the events that were neither stored nor applied, by reason, and logs them at a limited rate."""

import logging
from collections import Counter
from collections.abc import Iterable

from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)


class DroppedEvents:
    """Totals by reason since the start."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self._rate_limited = RateLimitedLog()

    def add(self, reasons: Iterable[str]) -> None:
        """Count the events of one call, given a reason for each."""
        for reason, times in Counter(reasons).items():
            self.totals[reason] += times
            if number := self._rate_limited.due(reason, times):
                log.info("events dropped, %s: %d, %d since the start", reason, number, self.totals[reason])

    def log_totals(self) -> None:
        """Log one line with all totals, if there are any."""
        if self.totals:
            parts = ", ".join(f"{reason}: {number}" for reason, number in self.totals.most_common())
            log.info("events dropped since the start: %s", parts)
