"""Finds the profile that answers a call in memory, or else in the store, and the stored one for a read."""

from msgspec import Struct

from trackd.actors.actor_pool import ActorPool
from trackd.actors.session_owners import SessionOwner, SessionOwners
from trackd.core.calls import Track
from trackd.core.documents import Profile, Session, Source
from trackd.core.resolution import ProfileReference, resolve
from trackd.storage.store import ReadsByKey


class Found(Struct, frozen=True):
    """The profile that answers a call, and the contents of the store that were read to find it."""

    profile_id: str | None
    """None for a new profile."""
    owner: SessionOwner | None
    """The session's entry, None when there is no such session."""
    previous_owner: str | None
    """The id of the profile that owns the session before the call."""
    others: tuple[str | None, ...] = ()
    """The ids of all profiles that the call leads to, if there may be more than one."""
    is_orphan: bool = False
    """Whether that profile no longer exists."""
    session: Session | None = None
    stored: Profile | None = None

    @property
    def size(self) -> int:
        """Bytes of the documents that were read."""
        return (self.stored.size if self.stored else 0) + (self.session.size if self.session else 0)


class LookUp:
    """The reads of the directory. `loaded` are the profiles that were read for one request, by id."""

    def __init__(self, reads: ReadsByKey, pool: ActorPool, owners: SessionOwners) -> None:
        self._reads = reads
        self._pool = pool
        self._owners = owners

    def answering(self, call: Track, source: Source) -> Found:
        """See `resolve`."""
        owner, claimed_id, derived_id = self._owners.get(call.session_id), call.profile_id, call.derived_profile_id
        if owner is not None and derived_id is None and (claimed_id is None or claimed_id == owner.profile_id):
            owner_id = owner.profile_id
            if owner_id in self._pool.entries:  # usual: no other profile can answer
                return Found(owner_id, owner, owner_id)
        session, loaded = None, dict[str, Profile]()
        if owner is None or owner.profile_id not in self._pool.entries:
            stored = self._reads.session_and_profile(call.session_id)
            if stored is not None:
                session, profile = stored
                if profile is not None:
                    loaded[profile.id] = profile
                owner = owner or self._owners.assign(call.session_id, session.profile_id, None)
        session_owner = self.profile(owner.profile_id, loaded) if owner else None
        claimed = self.profile(claimed_id, loaded) if claimed_id is not None else None
        derived = self.profile(derived_id, loaded) if derived_id else None
        permanent = source.permanent_profile_id
        profile_id = resolve(session_owner, claimed, derived, permanent_profile_id=permanent)
        return Found(
            profile_id,
            owner,
            owner.profile_id if owner else None,
            tuple(each.living for each in (session_owner, claimed, derived) if each),
            session_owner is not None and session_owner.living is None,
            session,
            loaded.get(profile_id) if profile_id else None,
        )

    def stored(self, profile_id: str) -> Profile | None:
        """The profile that the id leads to, as it is stored. If another node wrote it, it is evicted from memory."""
        stored = self._reads.profile(profile_id)
        living_id, revision = (stored.id, stored.revision) if stored else (profile_id, 0)
        active = self._pool.entries.get(living_id)
        if active is not None and active.in_flight == 0 and active.revision != revision:
            self._pool.forget(living_id, active)
            if stored is None:
                self._owners.evict_profile(living_id)
        return stored

    def profile(self, profile_id: str, loaded: dict[str, Profile]) -> ProfileReference:
        """The profile that the id leads to; it is added to `loaded` if the store had to be read."""
        if profile_id in self._pool.entries or profile_id in loaded:
            return ProfileReference(profile_id, profile_id)
        profile = self._reads.profile(profile_id)
        if profile is None:
            return ProfileReference(profile_id, None)
        loaded[profile.id] = profile
        return ProfileReference(profile_id, profile.id)
