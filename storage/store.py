"""The seam between what the actors decide and where it is kept.

`Store` has two implementations, `SqliteStore` and `MemoryStore`, and one set of contract tests for both
(tests/storage/test_store.py). A commit's outcome is told per call, so that a store shared by many nodes can take
SQLite's place: whoever loses a race learns that its change is stale, and nothing of it is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from trackd.core.documents import Event, Profile, Session, Source, Token


class StoreError(Exception):
    """The store cannot read or write now. The message is for the log, not for clients."""


class Outcome(Enum):
    """What became of one call's changes."""

    STORED = "stored"  # on disk
    DONE = "done"  # on disk, and nothing is left to do: only of deletions, which go step by step
    STALE = "stale"  # nothing written: somebody else moved the profile or the session
    FAILED = "failed"  # nothing written: the store could not


class Fence(Struct, frozen=True):
    """The state that a change was built on; `seq` and `revision` are 0 for a profile that was not there."""

    profile_id: str
    seq: int
    revision: int


class Changes(Struct, frozen=True, tag=True):
    """What one call writes, whole or not at all.

    `profile` and `session` are None when the call leaves them alone; a session that is only looked at has
    `writes_session` False, and is fenced all the same. `session_was` is the id of the profile that
    the stored session must belong to, None when no such session may be stored yet. `session_seen` is for a session that
    comes from another profile, whose standing guards it no more: its `updated` must be this. `event_ids` maps each
    client-made id of an event that was processed now to its `seq`, None when the event itself is not stored.
    """

    fence: Fence
    profile: Profile | None = None
    session: Session | None = None
    session_was: str | None = None
    session_seen: str | None = None
    writes_session: bool = True
    events: tuple[Event, ...] = ()
    event_ids: Mapping[str, int | None] | None = None


class Erasure(Struct, frozen=True, tag=True):
    """Removes a profile with its sessions and event ids, and leaves a tombstone; its events go too.

    `keep_events`: they stay, without anything that says whose they were. `erased` is the time.
    """

    fence: Fence
    erased: str
    keep_events: bool = False


class PutSource(Struct, frozen=True, tag=True):
    """Adds a source, or puts it in the place of the one that has its id."""

    source: Source


class RemoveSource(Struct, frozen=True, tag=True):
    """Removes a source, if it is there; what it sent stays."""

    source_id: str


DELETED_AT_ONCE = 1_000  # rows: about 20 ms in which calls wait


class DeleteEvents(Struct, frozen=True, tag=True):
    """One step of deleting the events that arrived before a time, with their ids.

    From the first event on, at most `limit`, and none after one that is younger: what is left of a profile's events
    is without gaps. DONE when the first event that is left is younger.
    """

    before: str
    limit: int = DELETED_AT_ONCE


class DeleteSessions(Struct, frozen=True, tag=True):
    """One step of deleting the sessions whose last call was before a time.

    Goes through all sessions, whose times are in no order: looks at `limit` of them, and begins where the step
    before stopped. DONE at the end; the next step begins from the start.
    """

    before: str
    limit: int = DELETED_AT_ONCE


Administration = Erasure | PutSource | RemoveSource
Deletion = DeleteEvents | DeleteSessions
Change = Changes | Administration | Deletion  # tagged: each says which it is when it is encoded, see wire.py


class Reads(Protocol):
    """Point reads by key: fast enough for the event loop. Each sees every commit that was answered before it."""

    def profile(self, profile_id: str) -> Profile | None:
        """The living profile of this id, or the one that it was merged into."""

    def session(self, session_id: str) -> Session | None: ...

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        """Both in one read. No profile: it is erased, or merged into another."""

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        """Those of the client-made ids that the profile already has, each with its `seq`."""

    def sources_version(self) -> int:
        """A number that changes with every change to any source."""

    def sources(self) -> list[Source]: ...

    def tokens(self) -> list[Token]:
        """The tokens that hold at this moment."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes that the store takes, by part. Which parts there are is its own affair."""


class Store(Reads, Protocol):
    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """Write a batch in one transaction; on return it is on disk. One outcome for each change, in order.

        Called by one thread at a time, which need not be the reading one. An empty batch writes a heartbeat: it
        shows whether the store can write at all. Raises StoreError when nothing of the batch was written.
        """

    def close(self) -> None:
        """Called once, after the last commit."""
