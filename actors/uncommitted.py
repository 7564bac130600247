"""The decisions of one profile that may not be on disk yet, some of its sessions, and fingerprints of its event ids."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from trackd.actors.event_fingerprints import NO_EVENTS, Fingerprints, added, perhaps_known
from trackd.core.documents import Event, FirstCopy, Session

SESSIONS_KEPT = 8
ID_BYTES = 400  # of an event id in memory besides its characters, with the values of its FirstCopy
FIELDS_OF_FIRST_COPY, LAST_SEQ = attrgetter(*FirstCopy._fields), attrgetter("last_seq")


class _Commit(NamedTuple):
    """The events of a commit that has client-made event ids.

    `last_seq` is the number of its last stored event, or of the last one before. `stored` has the values of a
    FirstCopy for each stored event: the events themselves would take much memory.
    """

    ordinal: int
    event_ids: tuple[str, ...]
    last_seq: int
    stored: tuple[tuple[str, str, str], ...]
    size: int


class Uncommitted:
    """Sessions and client-made event ids of one profile, each with the ordinal of the commit that wrote it.

    `size` are their bytes in memory. `is_new`: nothing of the profile is stored yet.
    """

    __slots__ = ("_commits", "_event_ids", "_fingerprints", "_sessions", "size")  # there is one for each active profile

    def __init__(self, *, is_new: bool = False) -> None:
        self.size = 0
        self._fingerprints: Fingerprints = NO_EVENTS if is_new else None
        self._sessions: dict[str, tuple[int, Session]] = {}  # in the order of their last commits
        self._event_ids: dict[str, int | None] = {}
        self._commits: list[_Commit] = []  # in their order

    def session(self, session_id: str) -> Session | None:
        kept = self._sessions.get(session_id)
        return kept[1] if kept else None

    def event_ids(self, event_ids: Iterable[str]) -> dict[str, int | None]:
        """Those of the ids that are uncommitted, each with its `seq`; None for an event that is not stored."""
        return {event_id: self._event_ids[event_id] for event_id in event_ids if event_id in self._event_ids}

    def perhaps_stored(self, event_ids: Iterable[str]) -> Sequence[str]:
        """Those of the ids that have to be looked up: the others are new, unless another node stored them."""
        return perhaps_known(self._fingerprints, tuple(event_ids))

    def first_copies(self, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        """Those of the ids whose events are stored by an uncommitted call."""
        found = {}
        for event_id, seq in self.event_ids(event_ids).items():
            if seq is not None:
                commit = self._commits[bisect_left(self._commits, seq, key=LAST_SEQ)]
                found[event_id] = FirstCopy(*commit.stored[seq - commit.last_seq - 1])
        return found

    def add(
        self,
        ordinal: int,
        session: Session | None,
        event_ids: Mapping[str, int | None] | None,
        events: Sequence[Event] = (),
    ) -> None:
        """Add the session and the events of the commit with this ordinal; `event_ids` are those that clients made."""
        if session is not None:
            before = self._sessions.pop(session.id, None)
            self._sessions[session.id] = (ordinal, session)
            if before is None or before[1] is not session:
                self.size += session.size - (before[1].size if before else 0)
        if event_ids:
            self._event_ids |= event_ids
            self._add_fingerprints(event_ids)
            last_seq = events[-1].seq if events else self._commits[-1].last_seq if self._commits else 0
            size = ID_BYTES * len(event_ids) + sum(map(len, event_ids))
            self.size += size
            stored = tuple(map(FIELDS_OF_FIRST_COPY, events))
            self._commits.append(_Commit(ordinal, tuple(event_ids), last_seq, stored, size))

    def _add_fingerprints(self, event_ids: Iterable[str]) -> None:
        before = self._fingerprints
        self._fingerprints = after = added(before, event_ids)
        self.size += len(after or NO_EVENTS) - len(before or NO_EVENTS)

    def mark_durable(self, ordinal: int) -> None:
        """Drop the entries of the commits up to this ordinal, except the last SESSIONS_KEPT sessions."""
        if self._commits:
            self._forget_event_ids(ordinal)
        if len(self._sessions) > SESSIONS_KEPT:
            self._forget_sessions(ordinal)

    def _forget_event_ids(self, ordinal: int) -> None:
        durable = 0
        for commit in self._commits:
            if commit.ordinal > ordinal:
                break
            durable += 1
            self.size -= commit.size
            for event_id in commit.event_ids:
                del self._event_ids[event_id]
        del self._commits[:durable]

    def _forget_sessions(self, ordinal: int) -> None:
        old: list[str] = []
        for session_id, (number, _) in self._sessions.items():
            if number > ordinal or len(self._sessions) - len(old) <= SESSIONS_KEPT:
                break  # the sessions after it are younger
            old.append(session_id)
        for session_id in old:
            _, session = self._sessions.pop(session_id)
            self.size -= session.size
