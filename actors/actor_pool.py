"""Which profiles have an actor at the moment, and which actors have no profile."""

from collections.abc import Callable
from dataclasses import dataclass

from thespian.actors import ActorAddress

from trackd.actors.messages import Activate
from trackd.actors.pinned_lru import PinnedLRU
from trackd.core.documents import Profile


@dataclass(slots=True)
class ActiveProfile:
    """A profile that has an actor. `settled` is the ordinal of its last commit that is on disk.

    `first`: what the actor has to be told before anything else, as long as it is another profile's or nobody's.
    """

    address: ActorAddress
    first: Activate | None
    in_flight: int = 0
    durable_up_to: int = 0

    def take_first(self) -> Activate | None:
        first, self.first = self.first, None
        return first


class ActorPool(PinnedLRU[ActiveProfile]):
    """By profile id. An actor is never ended but serves the next profile: Thespian does not forget actors that exit."""

    def __init__(self, size: int, new_actor: Callable[[], ActorAddress], evict: Callable[[ActorAddress], None]) -> None:
        super().__init__(size)
        self._new_actor = new_actor
        self._evict = evict
        self._idle_actors: list[ActorAddress] = []

    def activate(self, profile_id: str, stored: Profile | None) -> ActiveProfile:
        active = self.get(profile_id)
        if active is None:
            active = ActiveProfile(self._free_actor(), Activate(profile_id, stored))
            self.add(profile_id, active)
        return active

    def forget(self, profile_id: str, active: ActiveProfile) -> None:
        """Unless the profile has another actor by now."""
        if self.get(profile_id) is active:
            self.discard(profile_id)
            self._put_aside(active)

    def _free_actor(self) -> ActorAddress:
        """That of a profile which has to go, if there is one: it is told at once whose it is now."""
        evicted = self.make_room()
        for other in evicted[1:]:
            self._put_aside(other)
        if evicted:
            return evicted[0].address
        return self._idle_actors.pop() if self._idle_actors else self._new_actor()

    def _put_aside(self, active: ActiveProfile) -> None:
        self._evict(active.address)
        self._idle_actors.append(active.address)
