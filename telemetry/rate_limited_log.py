"""Limits the rate of log lines for things that may happen often."""

import math
import time
from collections.abc import Callable, Hashable

EVERY_S = 60.0


class RateLimitedLog:
    """Allows one log line a minute for each kind of line. Kinds must be few: they are never forgotten."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last: dict[Hashable, tuple[float, int]] = {}  # by kind: the time of its last line, and the count since

    def due(self, kind: Hashable, times: int = 1) -> int | None:
        """Count `times` more of this kind. Returns the count since its last line if a line is due, else None."""
        now = self._monotonic()
        last, unlogged = self._last.get(kind, (-math.inf, 0))
        if now - last < EVERY_S:
            self._last[kind] = (last, unlogged + times)
            return None
        self._last[kind] = (now, 0)
        return unlogged + times
