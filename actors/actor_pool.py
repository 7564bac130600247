"""The profiles that have an actor, and the actors that have no profile."""

from collections.abc import Callable
from dataclasses import dataclass

from thespian.actors import ActorAddress

from trackd.actors.messages import Activate
from trackd.actors.pinned_lru import PinnedLRU
from trackd.core.documents import Profile


@dataclass(slots=True)
class ActiveProfile:
    """A profile that has an actor.

    `activation` is the message that the actor needs before any other, None once it was taken. `durable_up_to` is the
    ordinal of the profile's last commit that is on disk. `size` are the bytes of the documents that the actor holds, as
    it reported them with that commit. `revision` is that of the profile then, 0 if it is not stored.
    """

    address: ActorAddress
    activation: Activate | None
    in_flight: int = 0
    durable_up_to: int = 0
    size: int = 0
    revision: int = 0


class ActorPool(PinnedLRU[ActiveProfile]):
    """Active profiles by profile id.

    An actor does not end, it takes the next profile: Thespian never forgets actors that exit.
    """

    def __init__(self, size: int, new_actor: Callable[[], ActorAddress], evict: Callable[[ActorAddress], None]) -> None:
        super().__init__(size)
        self._new_actor = new_actor
        self._evict = evict
        self._idle_actors: list[ActorAddress] = []

    def activate(self, profile_id: str, stored: Profile | None, size: int) -> ActiveProfile:
        """Give an actor to a profile that has none. `stored` is its document, `size` the bytes of all that was read."""
        revision = stored.revision if stored else 0
        active_profile = ActiveProfile(self._free_actor(), Activate(profile_id, stored), size=size, revision=revision)
        self.add(profile_id, active_profile)
        return active_profile

    def shrink(self, max_bytes: int) -> list[ActiveProfile]:
        evicted = super().shrink(max_bytes)
        for active_profile in evicted:
            self._set_idle(active_profile)
        return evicted

    def forget(self, profile_id: str, active_profile: ActiveProfile) -> None:
        """Free the actor of this profile, unless the profile has another actor by now."""
        if self.entries.get(profile_id) is active_profile:
            self.discard(profile_id)
            self._set_idle(active_profile)

    def _free_actor(self) -> ActorAddress:
        """The actor of an evicted profile if there is one: its next message replaces what it holds."""
        evicted = self.make_room()
        for other in evicted[1:]:
            self._set_idle(other)
        if evicted:
            return evicted[0].address
        return self._idle_actors.pop() if self._idle_actors else self._new_actor()

    def _set_idle(self, active_profile: ActiveProfile) -> None:
        self._evict(active_profile.address)
        self._idle_actors.append(active_profile.address)
