"""How long decisions take: a metric, and a line in the log for those that take long."""

import logging
import time
from collections.abc import Callable

from trackd.telemetry.histogram import Histogram
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LONG_S = 0.5


class DecisionTimes:
    """Observes how long the actors take to decide on calls. No other call is decided meanwhile."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = Histogram(SECONDS)
        self._limited_log = RateLimitedLog(monotonic)

    def observe(self, seconds: float, source_id: str, events: int) -> None:
        self.seconds.observe(seconds)
        if seconds >= LONG_S and (number := self._limited_log.due("long decision")) is not None:
            more = f" ({number - 1} more since the last such line)" if number > 1 else ""
            log.warning(
                "a call of source %s with %d events took %.2f s of the main thread%s: lower limits.max_call_work if no "
                "other work slows this machine down",
                source_id,
                events,
                seconds,
                more,
            )
