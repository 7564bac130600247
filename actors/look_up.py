"""Looks up the sessions and profiles that a request names: in memory, or else in the store."""

from trackd.actors.actor_pool import ActorPool
from trackd.actors.session_owners import SessionOwner, SessionOwners
from trackd.core.documents import Profile, Session
from trackd.core.resolution import ProfileReference
from trackd.storage.store import Reads


class LookUp:
    """The reads of the directory. `loaded` are the profiles that were read for one request, by id."""

    def __init__(self, reads: Reads, pool: ActorPool, owners: SessionOwners) -> None:
        self._reads = reads
        self._pool = pool
        self._owners = owners

    def session(self, session_id: str, loaded: dict[str, Profile]) -> tuple[SessionOwner | None, Session | None]:
        """The session's owner, None when there is no such session; and the session, if the store had to be read.

        A profile that was read with it is added to `loaded`.
        """
        owner = self._owners.get(session_id)
        if owner is not None and owner.profile_id in self._pool:
            return owner, None
        stored = self._reads.session_and_profile(session_id)
        if stored is None:
            return owner, None
        session, profile = stored
        if profile is not None:
            loaded[profile.id] = profile
        if owner is None:
            owner = self._owners.assign(session_id, session.profile_id, None)
        return owner, session

    def profile(self, profile_id: str, loaded: dict[str, Profile]) -> ProfileReference:
        """The profile that the id leads to; it is added to `loaded` if the store had to be read."""
        if profile_id in self._pool or profile_id in loaded:
            return ProfileReference(profile_id, profile_id)
        profile = self._reads.profile(profile_id)
        if profile is None:
            return ProfileReference(profile_id, None)
        loaded[profile.id] = profile
        return ProfileReference(profile_id, profile.id)
