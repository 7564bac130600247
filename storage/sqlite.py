"""The store in an SQLite file: one writing connection, one reading connection, fixed SQL.

The writing connection is also the only one that checkpoints the WAL. It is used by one thread at a time.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlite_utils.utils import sqlite3

from trackd.storage.database import connect, explained, open_for_writing
from trackd.storage.documents import Event, Profile, Session, Source
from trackd.storage.encoding import json_object, json_text
from trackd.storage.fence import Verdict, judge
from trackd.storage.sources import source_of_row
from trackd.storage.store import Changes, Outcome, StoreError

log = logging.getLogger(__name__)

PROFILE = "SELECT id, seq, revision, doc FROM profile WHERE id = ?"
MERGED_PROFILE = "SELECT id, seq, revision, doc FROM profile WHERE id = (SELECT into_id FROM merged WHERE id = ?)"
SESSION = "SELECT id, profile_id, inserted, updated, context, properties FROM session WHERE id = ?"
KNOWN_EVENTS = "SELECT id, seq FROM event_id WHERE profile_id = ? AND id IN (SELECT value FROM json_each(?))"
SOURCES = "SELECT * FROM source"

STANDING = "SELECT id, seq, revision FROM profile WHERE id IN (SELECT value FROM json_each(?))"
LINKS = "SELECT id, profile_id FROM session WHERE id IN (SELECT value FROM json_each(?))"
PUT_PROFILE = (
    "INSERT INTO profile (id, seq, revision, doc) VALUES (?, ?, ?, ?) ON CONFLICT (id)"
    " DO UPDATE SET seq = excluded.seq, revision = excluded.revision, doc = excluded.doc"
)
PUT_SESSION = (
    "INSERT INTO session (id, profile_id, inserted, updated, context, properties) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET profile_id = excluded.profile_id, updated = excluded.updated,"
    " context = excluded.context, properties = excluded.properties"
)
PUT_EVENT = f"INSERT INTO event ({', '.join(Event._fields)}) VALUES ({', '.join('?' * len(Event._fields))})"
PUT_EVENT_ID = "INSERT INTO event_id (profile_id, id, seq) VALUES (?, ?, ?)"
HEARTBEAT = "UPDATE heartbeat SET beats = beats + 1"

# One change is at fault, not the disk: the others of its batch are committed without it.
FAULTS_OF_ONE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    ValueError,
    OverflowError,
)


class SqliteStore:
    """See `Store`. Raises DatabaseError when the file cannot be used."""

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        self._writer = open_for_writing(path, synchronous=synchronous)
        with explained(path):
            self._reader = connect(path, mode="ro")

    def profile(self, profile_id: str) -> Profile | None:
        for sql in (PROFILE, MERGED_PROFILE):
            for found_id, seq, revision, doc in self._read(sql, profile_id):
                return Profile(found_id, seq, revision, json_object(doc))
        return None

    def session(self, session_id: str) -> Session | None:
        for found_id, profile_id, inserted, updated, context, properties in self._read(SESSION, session_id):
            return Session(found_id, profile_id, inserted, updated, json_object(context), json_object(properties))
        return None

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        return dict(self._read(KNOWN_EVENTS, profile_id, _json_list(event_ids)))

    def sources_version(self) -> int:
        version: int = self._read("SELECT version FROM sources_version")[0][0]
        return version

    def sources(self) -> list[Source]:
        return [source_of_row(row) for row in self._read(SOURCES)]

    def _read(self, sql: str, *parameters: str) -> list[Any]:
        try:
            rows: list[Any] = self._reader.execute(sql, parameters).fetchall()
            return rows
        except sqlite3.Error as error:
            raise StoreError(f"cannot read: {error}") from error

    def commit(self, batch: Sequence[Changes]) -> list[Outcome]:
        try:
            return self._transaction(batch)
        except FAULTS_OF_ONE as error:
            if len(batch) == 1:
                raise StoreError(f"cannot store a call: {error}") from error
            return [self._commit_alone(changes) for changes in batch]
        except sqlite3.Error as error:
            raise StoreError(f"cannot commit: {error}") from error

    def _commit_alone(self, changes: Changes) -> Outcome:
        try:
            return self.commit([changes])[0]
        except StoreError as error:
            log.error("a call was not stored, the others of its batch were: %s", error)
            return Outcome.FAILED

    def _transaction(self, batch: Sequence[Changes]) -> list[Outcome]:
        db = self._writer
        db.execute("BEGIN IMMEDIATE")
        try:
            verdict = judge(batch, self._standing(batch), self._links(batch))
            if batch:
                self._write(verdict)
            else:
                db.execute(HEARTBEAT)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return verdict.outcomes

    def _standing(self, batch: Sequence[Changes]) -> dict[str, tuple[int, int]]:
        ids = _json_list({changes.fence.profile_id for changes in batch})
        return {row[0]: (row[1], row[2]) for row in self._writer.execute(STANDING, (ids,))}

    def _links(self, batch: Sequence[Changes]) -> dict[str, str]:
        ids = _json_list({changes.session.id for changes in batch if changes.session})
        return dict(self._writer.execute(LINKS, (ids,)).fetchall())

    def _write(self, verdict: Verdict) -> None:
        db = self._writer
        db.executemany(PUT_EVENT, verdict.events)
        db.executemany(PUT_EVENT_ID, verdict.event_ids)
        db.executemany(PUT_PROFILE, [(p.id, p.seq, p.revision, json_text(p.doc)) for p in verdict.profiles.values()])
        db.executemany(
            PUT_SESSION,
            [
                (s.id, s.profile_id, s.inserted, s.updated, json_text(s.context), json_text(s.properties))
                for s in verdict.sessions.values()
            ],
        )

    def close(self) -> None:
        self._reader.close()
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()


def _json_list(ids: Iterable[str]) -> str:
    return json.dumps(list(ids))
