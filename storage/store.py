"""The seam between the actors, which decide, and a backend, which stores.

A backend is a class with the methods of `Store`. There are three: `SqliteStore` (sqlite/store.py), `PostgresStore`
(postgres/store.py), and `MemoryStore` (memory.py) for tests and measurements. The contract tests in
tests/storage/test_store.py run on all. Nothing outside of `storage/`, `http/backends.py` and the commands may depend on
which one is in use.

A backend may allow several servers to share a store (SqliteStore does not: it locks its file). So a commit is a
compare-and-swap for each change: the change names the state that it was built on, its fence, and is written only if
that state is still stored. fence.py has the rules, ready to use.

Threads: the methods of `Reads` are called on the event loop's thread and must return soon. `commit` is called from
one thread at a time, usually another one or another process; it must not disturb reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Protocol

from trackd.core.changes import Change, Outcome
from trackd.core.documents import FirstCopy, Login, Profile, Session, Source, Token
from trackd.core.jobs import Job
from trackd.core.retention_changes import RetentionStop, Swept


class Duty(Enum):
    """What one of the servers that share a store does for all of them."""

    RETENTION = "retention"
    JOBS = "jobs"


class ReadsByKey(Protocol):
    """Reads of what a request needs. Each sees all commits that have returned. All raise StoreError."""

    def profile(self, profile_id: str) -> Profile | None:
        """The profile with this id, or else the one that it was merged into. None when neither is stored."""

    def is_erased(self, profile_id: str) -> bool:
        """Whether a profile with this id was erased: there is a tombstone of it."""

    def session(self, session_id: str) -> Session | None:
        """The session with this id, or None."""

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        """A session and its profile, in one read; None when the session is not stored.

        The profile is None when it is not stored under the id that the session names: it was erased, or merged.
        """

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        """The ids among `event_ids` that clients have used before for events of this profile.

        Each with the event's `seq`, or None when the event was processed but not stored.
        """

    def first_copies(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        """The stored events of the profile that have these client-made ids.

        It may miss old ones whose id many profiles have, so that its time is bounded.
        """


class Reads(ReadsByKey, Protocol):
    """All reads of the actors, as of `ReadsByKey`."""

    def sources_version(self) -> int:
        """A number that is different after every change of any source; polled twice a second. 0 before the first."""

    def sources(self) -> Sequence[Source]:
        """All sources, disabled ones included, in any order."""

    def expire(self) -> None:
        """Drop copies of sources, tokens and jobs: this server has committed a change of one.

        A store may keep copies of them if it notices the changes of all others soon.
        """

    def has_duty(self, duty: Duty) -> bool:
        """Whether this server is the one that has the duty. It may be another one a moment later."""

    def is_damaged_source(self, source_id: str) -> bool:
        """Whether `sources` left out the source with this id, because its row is damaged."""

    def jobs(self) -> Sequence[Job]:
        """The open jobs and the last ended ones, in the order of their numbers; polled twice a second."""

    def newest_time(self, latest: str) -> str | None:
        """The time of the newest event or session that is not after `latest`, a timestamp; None when none is found.

        It examines some of the newest rows and no more.
        """

    def retention_stop(self) -> RetentionStop:
        """The stop of the retention that was written, and the last confirmation of the clock."""

    def tokens(self) -> Sequence[Token]:
        """All administration tokens that are not revoked, in any order."""

    def login(self, secret_hash: str) -> Login | None:
        """The login or the link with this hash, an expired one included; None when there is none."""

    def installation(self) -> int:
        """A number that the store was given at random when it was made."""

    def check_damage(self) -> None:
        """Begin to find out whether the store is damaged, and return at once: something in it could not be read."""

    def sizes(self) -> Mapping[str, int]:
        """The bytes that the store takes, by part. The names of the parts become labels of a metric."""

    def check(self) -> None:
        """Raises StoreError when commits would be lost, because the store was moved away, was replaced or is damaged.

        Polled twice a second. `commit` fails too then, though something may be written.
        """


class OfOneServer:
    """Methods of `Reads` for a store that no other server uses."""

    def expire(self) -> None:
        """It keeps no copies."""

    def has_duty(self, duty: Duty) -> bool:
        return True


class Store(Reads, Protocol):
    """A backend: reads by key, and commits."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """Write a batch in one transaction; a STORED change is on disk when this returns.

        Returns one outcome for each change, in the order of the batch. A change is written as a whole or not at all:

        - STORED: it is written. For a deletion: a step is written, and the next one is due.
        - DONE: only for deletions: the last step is written.
        - STALE: its fence does not match the stored state, or it builds on an earlier change that is not written. Not
          written either.
        - FAILED: it cannot be stored, and would fail again. Not written; the other changes are.
        - UNREADABLE: the same, because something that is stored cannot be read.

        Later changes of a batch see the earlier ones. An empty batch tests whether the store can write: it writes and
        commits something, a heartbeat. Raises StoreError when the transaction failed; then nothing of the batch is
        written.
        """

    @property
    def swept(self) -> Swept | None:
        """The report of the deletion in the last commit; None when it had none."""

    def close(self) -> None:
        """Release files and connections. Called once, after the last commit."""
