"""A store without a file: the second implementation of the seam, for tests and for measuring without a disk."""

from collections.abc import Iterable, Sequence

from trackd.storage.documents import Event, Profile, Session, Source
from trackd.storage.fence import judge
from trackd.storage.store import Changes, Outcome


class MemoryStore:
    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self.profiles: dict[str, Profile] = {}
        self.merged: dict[str, str] = {}
        self.sessions: dict[str, Session] = {}
        self.events: list[Event] = []
        self.event_ids: dict[tuple[str, str], int | None] = {}
        self._sources = {source.id: source for source in sources}
        self._sources_version = 1

    def profile(self, profile_id: str) -> Profile | None:
        return self.profiles.get(profile_id) or self.profiles.get(self.merged.get(profile_id, ""))

    def session(self, session_id: str) -> Session | None:
        return self.sessions.get(session_id)

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        return {
            event_id: self.event_ids[profile_id, event_id]
            for event_id in event_ids
            if (profile_id, event_id) in self.event_ids
        }

    def sources_version(self) -> int:
        return self._sources_version

    def sources(self) -> list[Source]:
        return list(self._sources.values())

    def put_source(self, source: Source) -> None:
        self._sources[source.id] = source
        self._sources_version += 1

    def commit(self, batch: Sequence[Changes]) -> list[Outcome]:
        profiles = (self.profiles.get(changes.fence.profile_id) for changes in batch)
        sessions = (self.sessions.get(changes.session.id) for changes in batch if changes.session)
        verdict = judge(
            batch,
            {profile.id: (profile.seq, profile.revision) for profile in profiles if profile},
            {session.id: session.profile_id for session in sessions if session},
        )
        self.profiles |= verdict.profiles
        self.sessions |= verdict.sessions
        self.events += verdict.events
        self.event_ids |= {(profile_id, key): seq for profile_id, key, seq in verdict.event_ids}
        return verdict.outcomes

    def close(self) -> None:
        pass
