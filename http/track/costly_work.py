"""The work of costly calls that took no turn: how much of it there was lately, of all clients together."""

import time
from collections.abc import Callable

from trackd.core.work import COSTLY_CALL, FULL, Allowance

MUCH, VERY_MUCH = 100_000_000, 250_000_000  # units
FORGOTTEN_PER_S = 250_000_000
UNITS_PER_BYTE = 500  # of a large call: few ordinary ones take more
LITTLE, VERY_LITTLE = Allowance(COSTLY_CALL), Allowance(COSTLY_CALL // 5)


class CostlyWork:
    """Clients that are not known to be costly have an allowance while there is much of it.

    The work of a call is known only after its decision, and fifty addresses may send a first one at the same moment.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._units = 0.0
        self._at = 0.0

    def add(self, units: int) -> None:
        """Count a call."""
        self._units = self._recent() + units

    def allowance(self) -> Allowance:
        """The allowance of a small call without a turn."""
        if not self._units:
            return FULL
        recent = self._recent()
        if recent < MUCH:
            return FULL
        return LITTLE if recent < VERY_MUCH else VERY_LITTLE

    def _recent(self) -> float:
        now = self._monotonic()
        self._units = max(0.0, self._units - (now - self._at) * FORGOTTEN_PER_S)
        self._at = now
        return self._units


def allowance_of(size: int) -> Allowance:
    """The allowance of a call that has a turn while others wait for theirs. `size`: the bytes of its body."""
    return Allowance(COSTLY_CALL + UNITS_PER_BYTE * size)
