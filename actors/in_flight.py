"""The requests in flight, and the calls that wait because those have too many bytes of documents."""

from collections import deque
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from trackd.actors.actor_pool import ActiveProfile
from trackd.actors.messages import Admitted, Erase, Reevaluate
from trackd.actors.session_owners import SessionOwner
from trackd.core.work import FULL
from trackd.telemetry.tally import Tally

LARGE = 1 / 2048  # of the limit, 16 KiB by default: calls for smaller documents do not wait for those in flight
LONG = 1 / 8192  # of the limit, 4 KiB by default: calls for smaller documents never wait
BUSY_S = 0.05  # of decisions between two commits

R = TypeVar("R", bound=Admitted | Erase | Reevaluate)


class Resume(Struct, frozen=True):
    """Hand over the call for a large profile that waits longest: a message of the directory to itself."""


def with_full_allowance(request: R) -> R:
    """The request, which is handed over later: a call is postponed at once or never."""
    if not isinstance(request, Admitted) or request.call.allowance is FULL:
        return request
    return replace(request, call=replace(request.call, allowance=FULL))


class InFlight(Struct, frozen=True):
    """A request in flight.

    `size` are the bytes of the profile's documents when the request was handed over. `owner` is the entry of the
    session that the call keeps, None when it keeps none. `previous_owner` is the id of the profile that owned the
    session before the call. `passes`: a re-evaluation that activated its profile, which is evicted at its end, so that
    a pass over all profiles does not evict those that calls use.
    """

    request: Admitted | Erase | Reevaluate
    profile_id: str
    active_profile: ActiveProfile
    size: int
    owner: SessionOwner | None = None
    previous_owner: str | None = None
    passes: bool = False


class RequestsInFlight:
    """By number, in the order of their handover. Each pins its profile and its session's owner.

    A small call may change large documents, and until its commit they are in memory several times: in the actor, in the
    queue, in the batch. So a call for a large profile waits while the requests in flight have more than `max_bytes`. It
    may also take long: such calls wait when decisions have taken BUSY_S since the last commit, so that others pass.
    """

    def __init__(self, max_bytes: int, tally: Tally) -> None:
        """`tally` adds up the seconds that decisions take."""
        self._max_bytes = max_bytes
        self._large, self._long = max_bytes * LARGE, max_bytes * LONG
        self._decisions = tally.decisions.seconds
        self._busy_from = BUSY_S  # of the total of `decisions`
        self._bytes = 0
        self._entries: dict[int, InFlight] = {}
        self.waiting: deque[Admitted] = deque()

    def add(self, number: int, entry: InFlight) -> None:
        self._entries[number] = entry
        self._bytes += entry.size
        entry.active_profile.in_flight += 1
        if entry.owner is not None:
            entry.owner.in_flight += 1

    def remove(self, number: int) -> InFlight:
        entry = self._entries.pop(number)
        self._bytes -= entry.size
        entry.active_profile.in_flight -= 1
        if entry.owner is not None:
            entry.owner.in_flight -= 1
        return entry

    def must_wait(self, admitted: Admitted, size: int) -> bool:
        """Whether the call has to wait, because it is for a large profile: it is then among the waiting ones."""
        if size < (self._long if self._decisions.total > self._busy_from else self._large) or not self._is_full():
            return False
        self.waiting.append(with_full_allowance(admitted))
        return True

    def _is_full(self) -> bool:
        is_full = self._bytes > self._max_bytes or self._decisions.total > self._busy_from
        return is_full and bool(self._entries)  # the end of one lets the next call go on

    def resumed(self, *, others_passed: bool) -> Admitted | None:
        """The call that waited longest, if it need not wait any longer. The next one follows its decision.

        `others_passed`: other calls had their turn meanwhile, so that the time of decisions counts anew.
        """
        if others_passed:
            self._busy_from = self._decisions.total + BUSY_S
        return self.waiting.popleft() if self.waiting and not self._is_full() else None

    def owners(self) -> dict[str, str]:
        """By session id, the owner that the last call in flight assigns to the session."""
        return {
            entry.request.call.session_id: entry.profile_id
            for entry in self._entries.values()
            if entry.owner is not None and isinstance(entry.request, Admitted)
        }
