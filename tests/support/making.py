"""Builders of calls, documents and changes for tests; arguments name what differs from a plain one."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trackd.actors.messages import Erase, Fetch
from trackd.core.calls import Track, TrackedEvent
from trackd.core.changes import Changes, Fence
from trackd.core.documents import Event, Profile, Session, Source
from trackd.core.encoding import json_raw, json_text
from trackd.core.profile_document import new_profile
from trackd.storage.memory import MemoryStore
from trackd.storage.store import Store

NOW = "2026-01-31T12:00:00.000000Z"
LATER = "2026-01-31T12:00:01.000000Z"
numbers = itertools.count(1)


class Make:
    """Builds calls, documents and changes; arguments name what differs from a plain one."""

    now, later = NOW, LATER

    @staticmethod
    def source(source_id: str = "source", **settings: Any) -> Source:
        return Source(source_id, source_id, **settings)

    @staticmethod
    def event(event_id: str | None = None, event_type: str = "t", **fields: Any) -> TrackedEvent:
        """With an id it is the client's own."""
        made = event_id or f"made-{next(numbers)}"
        fields = {"properties_json": json_text(fields.get("properties", {})), **fields}
        return TrackedEvent(id=made, own_id=event_id is not None, type=event_type, created=NOW, **fields)

    @classmethod
    def call(cls, session_id: str = "S", events: int | Sequence[TrackedEvent] = 1, **fields: Any) -> Track:
        made = tuple(cls.event() for _ in range(events)) if isinstance(events, int) else tuple(events)
        fields = {"source_id": "source", "received": NOW, **fields}
        return Track(number=next(numbers), session_id=session_id, events=made, **fields)

    @staticmethod
    def erase(profile_id: str, **fields: Any) -> Erase:
        return Erase(next(numbers), profile_id, NOW, **fields)

    @staticmethod
    def fetch(profile_id: str) -> Fetch:
        return Fetch(next(numbers), profile_id)

    @staticmethod
    def profile(profile_id: str, seq: int = 0, revision: int = 1, **doc: Any) -> Profile:
        """`doc` replaces top-level fields of its document."""
        return Profile(profile_id, seq, revision, json_raw({**new_profile(profile_id, NOW), "seq": seq, **doc}))

    @staticmethod
    def session(session_id: str, profile_id: str, **context: Any) -> Session:
        return Session(session_id, profile_id, NOW, NOW, json_raw(context), json_raw({}))

    @staticmethod
    def stored_event(profile_id: str, seq: int, **fields: Any) -> Event:
        event_id = f"{profile_id}-{seq}"
        event = Event(
            event_id, profile_id, seq, "S", "source", "t", NOW, NOW, "collected", None, "{}", "{}", "{}", "[]"
        )
        return event._replace(**fields)

    @classmethod
    def change(
        cls,
        profile_id: str,
        was: tuple[int, int] = (0, 0),
        *,
        events: int = 0,
        session: str | None = None,
        previous_owner: str | None = None,
        event_ids: Mapping[str, int | None] | None = None,
        event: Mapping[str, Any] | None = None,
        **doc: Any,
    ) -> Changes:
        """The changes of a call that found the profile at `was` (seq, revision), with a number of stored events.

        `event` replaces fields of each event, `doc` top-level fields of the profile's document.
        """
        seq, revision = was
        return Changes(
            fence=Fence(profile_id, seq, revision),
            profile=cls.profile(profile_id, seq + events, revision + 1, **doc),
            session=cls.session(session, profile_id) if session else None,
            previous_owner=previous_owner,
            events=tuple(cls.stored_event(profile_id, seq + 1 + n, **(event or {})) for n in range(events)),
            event_ids=event_ids,
        )

    @classmethod
    def store(
        cls,
        *profiles: Profile,
        sessions: Sequence[Session] = (),
        merged: dict[str, str] | None = None,
        kind: Callable[..., MemoryStore] = MemoryStore,
        **source: Any,
    ) -> Any:
        """A store in memory with one source and these documents."""
        store = kind([cls.source(**source)])
        store.profiles |= {profile.id: profile for profile in profiles}
        store.sessions |= {session.id: session for session in sessions}
        store.merged |= merged or {}
        return store

    @classmethod
    def one_profile(cls, **store: Any) -> Any:
        """A store with the profile A, whose last event has the number 5, and its session S."""
        return cls.store(cls.profile("A", 5, 5), sessions=[cls.session("S", "A")], **store)

    @classmethod
    def move(cls, store: Store, profile_id: str, **changes: Any) -> None:
        """Another node writes the profile."""
        was = store.profile(profile_id)
        assert was is not None
        moved = Profile(profile_id, was.seq, was.revision + 1, json_raw(was.doc))
        store.commit([Changes(Fence(profile_id, was.seq, was.revision), moved, **changes)])
