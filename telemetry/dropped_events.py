"""Events that were neither stored nor applied: counted by reason, and never dropped in silence."""

import logging
from collections import Counter
from collections.abc import Iterable

from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)


class DroppedEvents:
    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self._sparse = RateLimitedLog()

    def add(self, reasons: Iterable[str]) -> None:
        """The events of one answered call, a reason for each."""
        for reason, times in Counter(reasons).items():
            self.totals[reason] += times
            if number := self._sparse.due(reason, times):
                log.info("events dropped, %s: %d, %d since the start", reason, number, self.totals[reason])

    def log_totals(self) -> None:
        """One line at the end, when there were any."""
        if self.totals:
            parts = ", ".join(f"{reason}: {number}" for reason, number in self.totals.most_common())
            log.info("events dropped since the start: %s", parts)
