"""The requests in flight, and the calls that wait because those have too many bytes of documents."""

from collections import deque

from msgspec import Struct

from trackd.actors.actor_pool import ActiveProfile
from trackd.actors.messages import Admitted, Erase, Reevaluate
from trackd.actors.session_owners import SessionOwner

LARGE = 1 / 2048  # of the limit, 16 KiB by default: calls for a profile with smaller documents never wait


class InFlight(Struct, frozen=True):
    """A request in flight.

    `owner` is the entry of the session that the call keeps, None when it keeps none. `previous_owner` is the id of
    the profile that owned the session before the call. `passes`: a re-evaluation that activated its profile, which is
    evicted at its end, so that a pass over all profiles does not evict those that calls use. `size` are the bytes of
    the profile's documents when the request was handed over.
    """

    request: Admitted | Erase | Reevaluate
    profile_id: str
    active_profile: ActiveProfile
    owner: SessionOwner | None = None
    previous_owner: str | None = None
    passes: bool = False
    size: int = 0


class RequestsInFlight:
    """By number, in the order of their handover. Each pins its profile and its session's owner.

    A small call may change large documents, and until its commit they are in memory several times: in the actor, in the
    queue, in the batch. So a call for a large profile waits while the requests in flight have more than `max_bytes`.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._large = max_bytes * LARGE
        self._bytes = 0
        self._entries: dict[int, InFlight] = {}
        self._waiting: deque[tuple[Admitted, int]] = deque()  # with the bytes of the documents

    def add(self, entry: InFlight) -> None:
        self._entries[entry.request.number] = entry
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

    @property
    def is_full(self) -> bool:
        return self._bytes > self._max_bytes

    def wait(self, admitted: Admitted, size: int) -> bool:
        """Let the call wait, if it is for a large profile. Returns whether it does."""
        if size < self._large:
            return False
        self._waiting.append((admitted, size))
        return True

    def resumed(self) -> list[Admitted]:
        """The calls that need not wait any longer, in the order of their arrival."""
        resumed: list[Admitted] = []
        total = self._bytes
        while self._waiting and total <= self._max_bytes:
            admitted, size = self._waiting.popleft()
            resumed.append(admitted)
            total += size
        return resumed

    def owners(self) -> dict[str, str]:
        """By session id, the owner that the last call in flight assigns to the session."""
        return {
            entry.request.call.session_id: entry.profile_id
            for entry in self._entries.values()
            if entry.owner is not None and isinstance(entry.request, Admitted)
        }
