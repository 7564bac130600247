"""What a profile's actor decided and does not yet know to be on disk, and a few sessions kept for speed."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from trackd.storage.documents import Session

SESSIONS_KEPT = 8


class Unsettled:
    """Sessions and client-made event ids of one profile, each under the ordinal of the commit that wrote it."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, tuple[int, Session]] = OrderedDict()
        self._event_ids: dict[str, int | None] = {}
        self._ids_by_ordinal: deque[tuple[int, tuple[str, ...]]] = deque()

    def session(self, session_id: str) -> Session | None:
        kept = self._sessions.get(session_id)
        return kept[1] if kept else None

    def event_ids(self, event_ids: Iterable[str]) -> dict[str, int | None]:
        return {event_id: self._event_ids[event_id] for event_id in event_ids if event_id in self._event_ids}

    def add(self, ordinal: int, session: Session | None, event_ids: Mapping[str, int | None] | None) -> None:
        if session is not None:
            self._sessions[session.id] = (ordinal, session)
            self._sessions.move_to_end(session.id)
        if event_ids:
            self._event_ids |= event_ids
            self._ids_by_ordinal.append((ordinal, tuple(event_ids)))

    def settle(self, ordinal: int) -> None:
        """All commits up to this one are on disk: forget what can be read there."""
        while self._ids_by_ordinal and self._ids_by_ordinal[0][0] <= ordinal:
            for event_id in self._ids_by_ordinal.popleft()[1]:
                del self._event_ids[event_id]
        while len(self._sessions) > SESSIONS_KEPT:
            oldest = next(iter(self._sessions))
            if self._sessions[oldest][0] > ordinal:
                break  # those after it are younger still
            del self._sessions[oldest]
