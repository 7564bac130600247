"""A PostgreSQL database as the disk of a simulation."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from msgspec import Raw

from tests.simulation.disk import (
    BEGIN,
    FIRST_PROFILES,
    ORPHAN_SESSION,
    SOURCES,
    Contents,
    Disk,
    Numbers,
    faults_of,
    key_of,
)
from tests.simulation.steps import MERGED, Setup
from tests.support.postgres import emptied
from tests.support.stores import PostgresBackend
from trackd.core.changes import Change
from trackd.core.documents import Profile, Session
from trackd.core.session_document import NOTHING
from trackd.storage.feed import KINDS, FeedFilter, FeedPage, FeedRequest
from trackd.storage.postgres import calls
from trackd.storage.postgres.audit import audit_database, database_checks
from trackd.storage.postgres.connection import text_of
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.store import Store
from trackd.storage.writer import BatchResult
from trackd.storage.writer import commit as commit_to

PUT_SESSION = """
INSERT INTO session (id, profile_id, inserted, updated, context, properties)
VALUES (%s, %s, %s::timestamptz, %s::timestamptz, '{}', '{}')
"""
SHIFT_CLAIMS = "UPDATE profile SET claimed_until = claimed_until - %s * interval '1 ms' WHERE claimed_until IS NOT NULL"
FIXED_TIME = f"'{BEGIN}'::timestamptz"
CHECKS = database_checks(rules_change_counters=True)


class PostgresDisk:
    """The nodes have connections of their own. The time of claims is that of the simulation."""

    keeps_ends = True

    def __init__(self, url: str) -> None:
        emptied(url)
        self._url = url
        self._backend = PostgresBackend(url)
        for source in SOURCES:
            self._backend.put_source(source)
        self._backend.store.commit(FIRST_PROFILES)
        db, orphan = self._backend.db, ORPHAN_SESSION
        for key, into in MERGED.items():
            db.run("INSERT INTO merged VALUES (%s, %s)", [key, into])
        db.run(PUT_SESSION, [orphan.id, orphan.profile_id, orphan.inserted, orphan.updated])
        self._numbers = Numbers()

    def open(self) -> Store:
        return PostgresStore(self._url)

    def commit(self, store: Store, claimant: int, batch: Sequence[Change]) -> BatchResult:
        return commit_to(store, batch)

    def pass_time(self, milliseconds: int) -> None:
        self._backend.db.run(SHIFT_CLAIMS, [milliseconds])

    def contents(self) -> Contents:
        rows = self._backend.db.rows
        profiles = rows("SELECT id, seq, revision, doc::text FROM profile")
        sessions = rows(
            f"SELECT id, profile_id, {text_of('inserted')}, {text_of('updated')}, context::text FROM session"
        )
        return Contents(
            {key: Profile(key, seq, revision, Raw(doc.encode())) for key, seq, revision, doc in profiles},
            {
                key: Session(key, profile_id, inserted, updated, Raw(context.encode()), NOTHING)
                for key, profile_id, inserted, updated, context in sessions
            },
            {(profile_id, key): seq for profile_id, key, seq in rows("SELECT profile_id, id, seq FROM event_id")},
            [key_of(event) for event in self._backend.events()],
        )

    def feed(self, request: FeedRequest) -> FeedPage:
        return self._backend.feed(FeedFilter(KINDS), request)

    def note_commit(self) -> None:
        self._numbers.note(self._backend.db.rows("SELECT number, id, profile_id FROM event"))

    def faults(self) -> list[str]:
        return self._numbers.faults + faults_of(audit_database(self._url, CHECKS))

    def remove(self) -> None:
        self._backend.close()


@contextlib.contextmanager
def postgres_disks(url: str) -> Iterator[Callable[[Setup], Disk]]:
    """Disks in this database, one after the other. Claims end with the time of the simulation alone."""
    expected = calls.UPDATE_EXPECTED
    own = calls.CLAIM, calls.LOCK_PROFILES, expected.statement
    fixed = (sql.replace("clock_timestamp()", FIXED_TIME) for sql in own)
    calls.CLAIM, calls.LOCK_PROFILES, expected.statement = fixed
    try:
        yield lambda setup: PostgresDisk(url)
    finally:
        calls.CLAIM, calls.LOCK_PROFILES, expected.statement = own
