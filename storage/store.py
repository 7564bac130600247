"""The seam between what the actors decide and where it is kept.

`Store` has two implementations, `SqliteStore` and `MemoryStore`, and one set of contract tests for both
(tests/storage/test_store.py). A commit's outcome is told per call, so that a store shared by many nodes can take
SQLite's place: whoever loses a race learns that its change is stale, and nothing of it is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from trackd.core.changes import Change, Outcome
from trackd.core.documents import Profile, Session, Source, Token


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
