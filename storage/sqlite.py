"""The store in an SQLite file: one writing connection, one reading connection, fixed SQL.

The writing connection is also the only one that checkpoints the WAL. It is used by one thread at a time.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlite_utils.utils import sqlite3

from trackd.storage.bulk import BulkInsert
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

# One row for a whole batch, see bulk.py.
STANDING = """
SELECT (SELECT json_group_array(json_array(id, seq, revision)) FROM profile
        WHERE id IN (SELECT value FROM json_each(:profiles))),
       (SELECT json_group_array(json_array(id, profile_id)) FROM session
        WHERE id IN (SELECT value FROM json_each(:sessions)))
"""
PUT_PROFILES = BulkInsert(
    "profile",
    ("id", "seq", "revision", "doc"),
    "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, revision = excluded.revision, doc = excluded.doc",
)
PUT_SESSIONS = BulkInsert(
    "session",
    ("id", "profile_id", "inserted", "updated", "context", "properties"),
    "ON CONFLICT (id) DO UPDATE SET profile_id = excluded.profile_id, updated = excluded.updated,"
    " context = excluded.context, properties = excluded.properties",
)
PUT_EVENTS = BulkInsert("event", Event._fields)
PUT_EVENT_IDS = BulkInsert("event_id", ("profile_id", "id", "seq"))
HEARTBEAT = "UPDATE heartbeat SET beats = beats + 1"

# One change is at fault, not the disk: the others of its batch are committed without it.
FAULTS_OF_ONE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
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
        return dict(self._read(KNOWN_EVENTS, profile_id, json_text(list(event_ids))))

    def sources_version(self) -> int:
        version: int = self._read("SELECT version FROM sources_version")[0][0]
        return version

    def sources(self) -> list[Source]:
        sources = []
        for row in self._read(SOURCES):
            try:
                sources.append(source_of_row(row))
            except (TypeError, ValueError) as error:  # written by another tool; the others are as good as before
                log.error("the source %s is left out, its row cannot be read: %s", row[0], error)
        return sources

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
            if len(batch) > 1:
                return self._commit_one_by_one(batch)
            if not batch:
                raise StoreError(f"cannot write: {error}") from error
            log.error("a call cannot be stored: %s", error)
            return [Outcome.FAILED]
        except sqlite3.Error as error:
            raise StoreError(f"cannot commit: {error}") from error

    def _commit_one_by_one(self, batch: Sequence[Changes]) -> list[Outcome]:
        outcomes = []
        undone: set[str] = set()
        for changes in batch:
            profile_id = changes.fence.profile_id
            outcomes.append(Outcome.STALE if profile_id in undone else self._commit_alone(changes))
            if outcomes[-1] is not Outcome.STORED:
                undone.add(profile_id)
        return outcomes

    def _commit_alone(self, changes: Changes) -> Outcome:
        try:
            return self.commit([changes])[0]
        except StoreError as error:
            log.error("a call was not stored: %s", error)
            return Outcome.FAILED

    def _transaction(self, batch: Sequence[Changes]) -> list[Outcome]:
        db = self._writer
        db.execute("BEGIN IMMEDIATE")
        try:
            verdict = self._judge(batch)
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

    def _judge(self, batch: Sequence[Changes]) -> Verdict:
        profiles = json_text(list({changes.fence.profile_id for changes in batch}))
        sessions = json_text(list({changes.session.id for changes in batch if changes.session}))
        row = self._writer.execute(STANDING, {"profiles": profiles, "sessions": sessions}).fetchone()
        standing, links = from_json(row[0]), from_json(row[1])
        return judge(batch, {key: (seq, revision) for key, seq, revision in standing}, dict(links))

    def _write(self, verdict: Verdict) -> None:
        PUT_EVENTS.run(self._writer, verdict.events)
        PUT_EVENT_IDS.run(self._writer, verdict.event_ids)
        PUT_PROFILES.run(self._writer, [(p.id, p.seq, p.revision, json_text(p.doc)) for p in verdict.profiles.values()])
        PUT_SESSIONS.run(
            self._writer,
            [
                (s.id, s.profile_id, s.inserted, s.updated, json_text(s.context), json_text(s.properties))
                for s in verdict.sessions.values()
            ],
        )

    def close(self) -> None:
        self._reader.close()
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()
