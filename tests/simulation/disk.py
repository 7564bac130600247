"""The part of a node that survives a crash: one store in memory for all nodes, or one file."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple, Protocol

from msgspec import Raw

from tests.simulation.claims import Claims
from tests.simulation.steps import GONE, MERGED, ORPHAN, Setup
from tests.support.database import open_database
from trackd.core.changes import Change, Changes, Fence
from trackd.core.documents import Event, Profile, Session, Source
from trackd.core.encoding import json_raw
from trackd.core.profile_document import new_profile
from trackd.core.session_document import NOTHING
from trackd.storage.audit.audit import Findings, audit
from trackd.storage.audit.documents import document_checks
from trackd.storage.audit.pages import PAGES
from trackd.storage.audit.promises import PROMISES
from trackd.storage.feed import KINDS, FeedFilter, FeedPage, FeedRequest
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store
from trackd.storage.writer import BatchResult
from trackd.storage.writer import commit as commit_to

BEGIN = "2026-01-31T12:00:00.000000Z"
SOURCES = (
    Source("source", "source", returns_profile=True),
    Source("permanent", "permanent", returns_profile=True, permanent_profile_id=True),
)
FIRST_PROFILES = [
    Changes(Fence(profile_id, 0, 0), Profile(profile_id, 0, 1, json_raw(new_profile(profile_id, BEGIN))))
    for profile_id in MERGED.values()
]
ORPHAN_SESSION = Session(ORPHAN, GONE, BEGIN, BEGIN, json_raw({}), json_raw({}))


EventKey = tuple[str, str, int, str | None]
"""The id of an event, which is empty without a profile, that of its profile, its `seq` and its trace."""


class Contents(NamedTuple):
    """Everything that is stored."""

    profiles: dict[str, Profile]
    sessions: dict[str, Session]
    event_ids: dict[tuple[str, str], int | None]
    events: list[EventKey]


class Disk(Protocol):
    keeps_ends: bool
    """Whether the store of a node finds the end of a sweep of events at its first step, and not anew at each."""

    def open(self) -> Store:
        """The store for a node that starts."""

    def commit(self, store: Store, claimant: int, batch: Sequence[Change]) -> BatchResult:
        """Commit a batch of a node to its store."""

    def pass_time(self, milliseconds: int) -> None:
        """So much time passes, for claims."""

    def contents(self) -> Contents: ...

    def feed(self, request: FeedRequest) -> FeedPage:
        """A page of the feed, with records of all kinds."""

    def note_commit(self) -> None:
        """Look at the numbers of the events after a commit."""

    def faults(self) -> list[str]:
        """The faults that an audit of the file finds, and numbers of events that were used twice."""

    def remove(self) -> None: ...


class Claiming:
    """The commits of a disk, whose nodes claim profiles only if its store is as one over a network."""

    def __init__(self, *, claims: bool) -> None:
        self._claims = Claims() if claims else None

    def commit(self, store: Store, claimant: int, batch: Sequence[Change]) -> BatchResult:
        return self._claims.commit(store, claimant, batch) if self._claims else commit_to(store, batch)

    def pass_time(self, milliseconds: int) -> None:
        if self._claims:
            self._claims.now += milliseconds


class MemoryDisk(Claiming):
    keeps_ends = False

    def __init__(self, *, claims: bool) -> None:
        super().__init__(claims=claims)
        self._store = MemoryStore(SOURCES)
        self._store.commit(FIRST_PROFILES)
        self._store.merged |= MERGED
        self._store.sessions[ORPHAN] = ORPHAN_SESSION

    def open(self) -> Store:
        return self._store

    def contents(self) -> Contents:
        store = self._store
        return Contents(store.profiles, store.sessions, store.event_ids, [key_of(event) for event in store.events])

    def feed(self, request: FeedRequest) -> FeedPage:
        return self._store.journal.feed(FeedFilter(KINDS), request)

    def note_commit(self) -> None:
        pass  # its events have no numbers

    def faults(self) -> list[str]:
        return []

    def remove(self) -> None:
        pass


class FileDisk(Claiming):
    """A file without fsync: a crash of the process loses nothing that it has written."""

    keeps_ends = True

    def __init__(self, *, claims: bool) -> None:
        super().__init__(claims=claims)
        self._folder = Path(mkdtemp(prefix="trackd-simulation-"))
        self._path = self._folder / "trackd.db"
        self._path.write_bytes(_first_file())
        self._db = open_database(self._path)
        self._listings = SqliteListings(self._path)
        self._numbers = Numbers()

    def open(self) -> Store:
        return SqliteStore(self._path, synchronous="OFF")

    def contents(self) -> Contents:
        read = self._db.execute
        profiles = read("SELECT id, seq, revision, doc FROM profile")
        sessions = read("SELECT id, profile_id, inserted, updated, context FROM session")
        event_ids = read("SELECT profile_id, id, seq FROM event_id")
        events = read(f"SELECT {', '.join(Event._fields)} FROM event ORDER BY number")
        return Contents(
            {key: Profile(key, seq, revision, Raw(doc.encode())) for key, seq, revision, doc in profiles},
            {
                key: Session(key, profile_id, inserted, updated, Raw(context.encode()), NOTHING)
                for key, profile_id, inserted, updated, context in sessions
            },
            {(profile_id, event_id): seq for profile_id, event_id, seq in event_ids},
            [key_of(Event(*row)) for row in events],
        )

    def feed(self, request: FeedRequest) -> FeedPage:
        return self._listings.feed(FeedFilter(KINDS), request)

    def faults(self) -> list[str]:
        """Leaves out the session that is an orphan from the beginning."""
        return self._numbers.faults + faults_of(audit(self._path, (PAGES, *document_checks(), *PROMISES)))

    def note_commit(self) -> None:
        self._numbers.note(self._db.execute("SELECT number, id, profile_id FROM event"))

    def remove(self) -> None:
        self._listings.close()
        self._db.close()
        shutil.rmtree(self._folder)


class Numbers:
    """The ids of all events that were seen, by their numbers."""

    def __init__(self) -> None:
        self._seen: dict[int, str] = {}
        self.faults: list[str] = []

    def note(self, events: Iterable[Sequence[Any]]) -> None:
        """A new event has a number after all that were seen before, and no event takes that of another.

        `events`: the number of each stored one, its id and that of its profile.
        """
        last = max(self._seen, default=0)
        for number, event_id, profile_id in events:
            known = self._seen.get(number)
            if (known is None and number <= last) or (known not in (None, event_id) and profile_id):
                self.faults.append(f"number {number} is used again")
            self._seen[number] = event_id


def faults_of(audited: Iterable[Findings]) -> list[str]:
    """The faults that an audit has found, without the session that is an orphan from the beginning."""
    return [
        f"{found.check.name}: {fault}"
        for found in audited
        for fault in found.first
        if not (found.check.name == "living" and fault[0] == GONE)
    ]


def key_of(event: Event) -> EventKey:
    return (event.id, event.profile_id, event.seq, event.rules) if event.profile_id else ("", "", 0, event.rules)


@cache
def _first_file() -> bytes:
    folder = Path(mkdtemp(prefix="trackd-simulation-"))
    try:
        path = folder / "trackd.db"
        with Sources(path, create=True) as sources:
            for source in SOURCES:
                sources.add(source)
        store = SqliteStore(path)
        store.commit(FIRST_PROFILES)
        store.close()
        db = open_database(path)
        with db.atomic():
            db.table("merged").insert_all({"id": key, "into_id": into} for key, into in MERGED.items())
            db.table("session").insert(
                {
                    "id": ORPHAN,
                    "profile_id": GONE,
                    "inserted": BEGIN,
                    "updated": BEGIN,
                    "context": "{}",
                    "properties": "{}",
                }
            )
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        return path.read_bytes()
    finally:
        shutil.rmtree(folder)


MakeDisk = Callable[[Setup], Disk]


def disk_of(setup: Setup) -> Disk:
    """The disk of a history that is played without a server."""
    return FileDisk(claims=setup.looks_up) if setup.in_file else MemoryDisk(claims=setup.looks_up)
