"""The decisions of one profile that may not be on disk yet, and a few of its sessions as a cache."""

from collections.abc import Iterable, Mapping

from trackd.core.documents import Session

SESSIONS_KEPT = 8


class Uncommitted:
    """Sessions and client-made event ids of one profile, each with the ordinal of the commit that wrote it."""

    __slots__ = ("_event_ids", "_ids_by_ordinal", "_sessions")  # there is one for each active profile

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[int, Session]] = {}  # in the order of their last commits
        self._event_ids: dict[str, int | None] = {}
        self._ids_by_ordinal: list[tuple[int, tuple[str, ...]]] = []

    def session(self, session_id: str) -> Session | None:
        kept = self._sessions.get(session_id)
        return kept[1] if kept else None

    def event_ids(self, event_ids: Iterable[str]) -> dict[str, int | None]:
        """Those of the ids that are uncommitted, each with its `seq`; None for an event that is not stored."""
        return {event_id: self._event_ids[event_id] for event_id in event_ids if event_id in self._event_ids}

    def add(self, ordinal: int, session: Session | None, event_ids: Mapping[str, int | None] | None) -> None:
        """Add the session and the event ids of the commit with this ordinal."""
        if session is not None:
            self._sessions.pop(session.id, None)
            self._sessions[session.id] = (ordinal, session)
        if event_ids:
            self._event_ids |= event_ids
            self._ids_by_ordinal.append((ordinal, tuple(event_ids)))

    def mark_durable(self, ordinal: int) -> None:
        """Drop the entries of the commits up to this ordinal, except the last SESSIONS_KEPT sessions."""
        if self._ids_by_ordinal:
            self._forget_event_ids(ordinal)
        if len(self._sessions) > SESSIONS_KEPT:
            self._forget_sessions(ordinal)

    def _forget_event_ids(self, ordinal: int) -> None:
        durable = 0
        for number, event_ids in self._ids_by_ordinal:
            if number > ordinal:
                break
            durable += 1
            for event_id in event_ids:
                del self._event_ids[event_id]
        del self._ids_by_ordinal[:durable]

    def _forget_sessions(self, ordinal: int) -> None:
        old: list[str] = []
        for session_id, (number, _) in self._sessions.items():
            if number > ordinal or len(self._sessions) - len(old) <= SESSIONS_KEPT:
                break  # the sessions after it are younger
            old.append(session_id)
        for session_id in old:
            del self._sessions[session_id]
