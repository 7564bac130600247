"""For what may come often: one log line for each kind, and again at most once a minute, with the number since then."""

import math
import time
from collections.abc import Callable, Hashable

EVERY_S = 60.0


class RateLimitedLog:
    """Tells when a line is due. Its kinds must be few: each is remembered."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last: dict[Hashable, tuple[float, int]] = {}

    def due(self, kind: Hashable, times: int = 1) -> int | None:
        """How many of this kind came since its last line, these included; None when no line is due yet."""
        now = self._monotonic()
        last, unlogged = self._last.get(kind, (-math.inf, 0))
        if now - last < EVERY_S:
            self._last[kind] = (last, unlogged + times)
            return None
        self._last[kind] = (now, 0)
        return unlogged + times
