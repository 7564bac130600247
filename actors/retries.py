"""Requests whose commit was not stored: which of them are handed over again, and when."""

import random
from collections.abc import Callable

from msgspec.structs import replace

from trackd.actors.base import RETRY_AFTER_S
from trackd.actors.in_flight import with_full_allowance
from trackd.actors.messages import Admitted, Erase, Reason, Reevaluate, Refused
from trackd.core.changes import Outcome

RETRIES_AT_ONCE = 2
MAX_RETRIES = 80  # the others at ticks: ten seconds, which end before limits.call_timeout_s
SHORTEST_S, LONGEST_S = 0.01, 0.16  # until such a tick
SHORTER = 0.5  # by this part at most, so that nodes do not wait for the same time


class Retries:
    """`hand_over` takes a request that is to be decided again, `tick_soon` is that of `Frontend`.

    `stale` counts the stale ones: see `Tally`.
    """

    def __init__(
        self,
        hand_over: Callable[[Admitted | Erase | Reevaluate], None],
        tick_soon: Callable[[float], None],
        stale: dict[str, int],
    ) -> None:
        self._stale = stale
        self._hand_over = hand_over
        self._tick_soon = tick_soon
        self._contended: list[Admitted | Erase | Reevaluate] = []  # until the next tick
        self._pausing: set[str] = set()  # ids of their profiles

    def retry_or_refuse(
        self, request: Admitted | Erase | Reevaluate, outcome: Outcome, profile_id: str
    ) -> list[Refused]:
        """Hand a stale request over again, at once or at a tick; returns the answer to one that ends."""
        attempt = request.attempt + 1
        if outcome in (Outcome.FAILED, Outcome.UNREADABLE):
            return [Refused(request.number, Reason.STORE_FAILED, RETRY_AFTER_S)]
        if attempt > MAX_RETRIES:
            self._stale["refused"] += 1
            return [Refused(request.number, Reason.CONTENDED, RETRY_AFTER_S)]
        again = replace(with_full_allowance(request), attempt=attempt)
        if attempt > RETRIES_AT_ONCE:
            self._stale["paused"] += 1
            self._contended.append(again)
            self._pausing.add(profile_id)
            self._tick_soon(_pause_s(attempt))
        else:
            self._stale["retried"] += 1
            self._hand_over(again)
        return []

    def waits(self, call: Admitted, profile_id: str | None) -> bool:
        """Whether the call waits for a tick behind stale ones of its profile: it would be stale too."""
        is_behind = profile_id in self._pausing
        if is_behind:
            self._contended.append(with_full_allowance(call))
        return is_behind

    def tick(self) -> None:
        contended, self._contended = self._contended, []
        self._pausing.clear()
        for request in contended:
            self._hand_over(request)


def _pause_s(attempt: int) -> float:
    """It doubles with each attempt: what a commit and a lookup of another node take is not known."""
    longest = min(SHORTEST_S * 2.0 ** (attempt - RETRIES_AT_ONCE - 1), LONGEST_S)
    return longest * random.uniform(SHORTER, 1)  # noqa: S311
