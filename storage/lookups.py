"""Lookups: what calls need of a store over a network is loaded before the actors decide, for many calls at a time.

A store in the same process needs none of this: its reads are there at once.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from trackd.core.changes import Change, Changes, Erasure, Outcome
from trackd.core.documents import FirstCopy, Profile, Session
from trackd.storage.errors import StoreError

EventKey = tuple[str, str]
"""The id of a profile, and a client-made id of an event."""


class KnownEvent(NamedTuple):
    """An event that the profile has processed. `seq` is None when it is not stored; `first` may be missing."""

    seq: int | None
    first: FirstCopy | None


class Wanted(Struct):
    """The keys to look up. `owned`: ids of a session and of an event, for the profile that owns the session."""

    sessions: set[str] = field(default_factory=set)
    profiles: set[str] = field(default_factory=set)
    events: set[EventKey] = field(default_factory=set)
    owned: set[tuple[str, str]] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)

    def add(self, other: "Wanted") -> None:
        self.sessions |= other.sessions
        self.profiles |= other.profiles
        self.events |= other.events
        self.owned |= other.owned
        self.erased |= other.erased


class Loaded(Struct):
    """The result of a lookup, by key; None for what is not stored.

    `profiles` have the ids that were wanted and the owners of the sessions. A profile that was merged stands under
    both ids, its events under the one it was merged into. All is of one moment: no fence notices that the owner of a
    session, or a profile that events were looked up for, was absent a moment before.
    """

    sessions: dict[str, Session | None] = field(default_factory=dict)
    profiles: dict[str, Profile | None] = field(default_factory=dict)
    events: dict[EventKey, KnownEvent | None] = field(default_factory=dict)
    erased: dict[str, bool] = field(default_factory=dict)

    def update(self, finished: Sequence[tuple[Change, Outcome]]) -> None:
        """Remove everything that the changes may have written meanwhile, except new events: they are added."""
        calls = [(change, outcome) for change, outcome in finished if isinstance(change, Changes)]
        erased = {change.fence.profile_id for change, _ in finished if isinstance(change, Erasure)}
        written = {change.fence.profile_id for change, _ in calls} | erased
        unclear = erased | {change.fence.profile_id for change, outcome in calls if outcome is not Outcome.STORED}
        for change, _ in calls:
            self._add_events(change)
            if change.session is not None:
                self.sessions.pop(change.session.id, None)
        self.profiles = {
            key: profile
            for key, profile in self.profiles.items()
            if key not in written and (profile is None or profile.id not in written)
        }
        self.events = {key: known for key, known in self.events.items() if key[0] not in unclear}
        if erased:
            self.erased.clear()
            self.sessions = {k: each for k, each in self.sessions.items() if each and each.profile_id not in erased}

    def _add_events(self, change: Changes) -> None:
        """A hot profile is in every commit: removed, its events would be looked up again and again."""
        events = {event.id: FirstCopy(event.type, event.source_id, event.status) for event in change.events}
        for event_id, seq in (change.event_ids or {}).items():
            key = (change.fence.profile_id, event_id)
            if key in self.events:
                self.events[key] = KnownEvent(seq, events.get(event_id))


class NotLoadedError(StoreError):
    """A read needs a lookup first."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__("cannot read before a lookup")
        self.wanted = wanted


class Lookups(Protocol):
    """Loads one batch at a time. Used on the event loop's thread only. It is constructed with a callback.

    The callback receives one result for each batch, `Loaded` or the error because of which nothing is loaded.
    """

    def submit(self, wanted: Wanted) -> None:
        """Begin a lookup, and return at once. The next one may follow after the result of this one."""

    def close(self) -> None:
        """Give up the lookup under way: it has no result."""


class LoadedReads:
    """`ReadsByKey` of what was looked up. All raise NotLoadedError for other keys, or the error of the lookup."""

    def __init__(self) -> None:
        self._loaded = Loaded()
        self._error: StoreError | None = None

    def use(self, result: Loaded | StoreError) -> None:
        """Read from this result until the next `use`."""
        self._loaded, self._error = (Loaded(), result) if isinstance(result, StoreError) else (result, None)

    def session(self, session_id: str) -> Session | None:
        if session_id not in self._loaded.sessions:
            raise self._missing(Wanted(sessions={session_id}))
        return self._loaded.sessions[session_id]

    def profile(self, profile_id: str) -> Profile | None:
        if profile_id not in self._loaded.profiles:
            raise self._missing(Wanted(profiles={profile_id}))
        return self._loaded.profiles[profile_id]

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        session = self.session(session_id)
        if session is None:
            return None
        profile = self.profile(session.profile_id)
        return session, profile if profile and profile.id == session.profile_id else None

    def is_erased(self, profile_id: str) -> bool:
        if profile_id not in self._loaded.erased:
            raise self._missing(Wanted(erased={profile_id}))
        return self._loaded.erased[profile_id]

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        return {key: known.seq for key, known in self._known(profile_id, event_ids).items()}

    def first_copies(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        return {key: known.first for key, known in self._known(profile_id, event_ids).items() if known.first}

    def _known(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, KnownEvent]:
        found = {}
        wanted = [(profile_id, event_id) for event_id in event_ids]
        if missing := {key for key in wanted if key not in self._loaded.events}:
            raise self._missing(Wanted(events=missing))
        for key in wanted:
            if (known := self._loaded.events[key]) is not None:
                found[key[1]] = known
        return found

    def _missing(self, wanted: Wanted) -> StoreError:
        return self._error or NotLoadedError(wanted)
