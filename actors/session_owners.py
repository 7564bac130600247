"""The profile that owns each session, for the sessions in memory."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trackd.actors.pinned_lru import PinnedLRU


@dataclass(slots=True)
class SessionOwner:
    """The owner of one session: as it is stored, or as the last call in flight will store it."""

    profile_id: str
    in_flight: int = 0
    size: int = 0
    """Bytes of the session's id."""


class SessionOwners(PinnedLRU[SessionOwner]):
    """Owners by session id. An owner that a call in flight assigned exists in memory only, so it is pinned."""

    def assign(self, session_id: str, profile_id: str, owner: SessionOwner | None) -> SessionOwner:
        """Make the profile the owner of the session. `owner` is the session's entry, None if it has none."""
        if owner is None:
            self.make_room()
            owner = SessionOwner(profile_id, size=sys.getsizeof(session_id))
            self.add(session_id, owner)
        else:
            owner.profile_id = profile_id
        return owner

    def restore(self, session_id: str, owner: SessionOwner, previous_owner: str | None) -> None:
        """Undo `assign` for a call that was aborted. A session without other calls is read again when needed."""
        if owner.in_flight == 0:
            self.discard(session_id)
        elif previous_owner is not None:
            owner.profile_id = previous_owner

    def roll_back(self, session_ids: Iterable[str], in_flight: Mapping[str, str]) -> None:
        """Undo `assign` for calls that were not stored.

        `in_flight` has the owner that the last call in flight assigns to a session. A session without such a call is
        read again when it is needed.
        """
        for session_id in session_ids:
            owner = self.get(session_id)
            if owner is not None and owner.in_flight:
                owner.profile_id = in_flight[session_id]
            else:
                self.discard(session_id)

    def evict_profile(self, profile_id: str) -> None:
        """Evict the sessions of a profile. The time grows with the number of all sessions."""
        for session_id in [key for key, owner in self.entries.items() if owner.profile_id == profile_id]:
            self.discard(session_id)
