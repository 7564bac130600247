"""Requests whose commit was not stored: which of them are handed over again, and when."""

from collections.abc import Callable

from msgspec.structs import replace

from trackd.actors.base import RETRY_AFTER_S
from trackd.actors.in_flight import with_full_allowance
from trackd.actors.messages import Admitted, Erase, Reason, Reevaluate, Refused
from trackd.core.changes import Outcome

RETRIES_AT_ONCE = 5
MAX_RETRIES = 25  # the others at ticks: ten seconds, which end before limits.call_timeout_s


class Retries:
    """`hand_over` takes a request that is to be decided again."""

    def __init__(self, hand_over: Callable[[Admitted | Erase | Reevaluate], None]) -> None:
        self._hand_over = hand_over
        self._contended: list[Admitted | Erase | Reevaluate] = []  # until the next tick

    def retry_or_refuse(self, request: Admitted | Erase | Reevaluate, outcome: Outcome) -> list[Refused]:
        """Hand a stale request over again, at once or at a tick; returns the answer to one that ends."""
        attempt = request.attempt + 1
        if outcome in (Outcome.FAILED, Outcome.UNREADABLE):
            return [Refused(request.number, Reason.STORE_FAILED, RETRY_AFTER_S)]
        if attempt > MAX_RETRIES:
            return [Refused(request.number, Reason.CONTENDED, RETRY_AFTER_S)]
        again = replace(with_full_allowance(request), attempt=attempt)
        if attempt > RETRIES_AT_ONCE:
            self._contended.append(again)
        else:
            self._hand_over(again)
        return []

    def tick(self) -> None:
        contended, self._contended = self._contended, []
        for request in contended:
            self._hand_over(request)
