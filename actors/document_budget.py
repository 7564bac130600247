"""The limit on the bytes of all documents of profiles and sessions that are kept in memory."""

from trackd.actors.actor_pool import ActorPool
from trackd.actors.session_owners import SessionOwners


class DocumentBudget:
    """`max_bytes` for the documents of the active profiles, with their sessions, and for the owners of sessions.

    The owners, whose ids clients choose, get a quarter of it at most. Pinned entries count, and are not evicted.
    """

    def __init__(self, max_bytes: int, pool: ActorPool, owners: SessionOwners) -> None:
        self._max_bytes = max_bytes
        self._pool = pool
        self._owners = owners

    @property
    def bytes(self) -> int:
        return self._pool.bytes + self._owners.bytes

    def enforce(self) -> None:
        """Evict what is over the limit, large documents first, and an eighth more: each time looks at all entries."""
        if self.bytes > self._max_bytes:
            self._owners.shrink(self._max_bytes // 4)
            self._pool.shrink(self._max_bytes * 7 // 8 - self._owners.bytes)
