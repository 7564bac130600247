"""Import of an export into a PostgreSQL database, on which no server runs: see transfer/import_lines.py."""

from collections.abc import Callable, Sequence, Set
from typing import BinaryIO

import psycopg

from trackd.core.documents import tombstone
from trackd.core.pii_rows import pii_rows
from trackd.storage.errors import StoreError
from trackd.storage.postgres.bulk import Rows, insert
from trackd.storage.postgres.calls import PROFILE, PUT_EVENT_IDS, PUT_PII, SESSION
from trackd.storage.postgres.connection import Connection, is_of_one_change, reason_of
from trackd.storage.postgres.events import COLUMNS as EVENT
from trackd.storage.postgres.numbers import LAST_NUMBER, MOVE_BEHIND
from trackd.storage.postgres.shared_database import SharedDatabase
from trackd.storage.transfer.import_checks import EventChecker, Existing, InvalidLineError, exists_already
from trackd.storage.transfer.import_lines import Import
from trackd.storage.transfer.records import (
    ErasedRecord,
    EventIdRecord,
    EventRecord,
    MergedRecord,
    ProfileRecord,
    Record,
    Row,
    SessionRecord,
)

DOC = ProfileRecord.columns.index("doc")
# Servers wait, and fail after a while. Other transactions that have begun end first: none has a number among the new.
LOCK = """
SET LOCAL idle_in_transaction_session_timeout = 0;
LOCK TABLE profile, merged, session, event_id, erased, event, pii, event_numbers IN SHARE ROW EXCLUSIVE MODE;
CREATE TEMPORARY TABLE last_imported (
    profile_id text COLLATE "C" PRIMARY KEY, number bigint NOT NULL, seq bigint NOT NULL, line bigint NOT NULL
) ON COMMIT DROP
"""
INSERTS: dict[type[Record], Rows] = {
    ProfileRecord: insert("profile", PROFILE[:-1]),
    MergedRecord: insert("merged", (("id", "text"), ("into_id", "text"))),
    SessionRecord: insert("session", SESSION),
    EventIdRecord: PUT_EVENT_IDS,
    ErasedRecord: insert(
        "erased", (("hash", "text"), ("erased", "timestamptz"), ("number", "bigint")), "ON CONFLICT (hash) DO NOTHING"
    ),
    EventRecord: insert("event", (("number", "bigint"), *EVENT)),
}
WITHOUT_LINKS = (ProfileRecord, EventRecord)  # whose last column links events
LEAST = "SELECT least(min(number), 0) FROM erased"
PUT_LAST_EVENTS = insert(
    "last_imported",
    (("profile_id", "text"), ("number", "bigint"), ("seq", "bigint"), ("line", "bigint")),
    "ON CONFLICT (profile_id) DO UPDATE SET number = excluded.number, seq = excluded.seq, line = excluded.line",
)
PROFILES = "SELECT id FROM profile WHERE id = ANY(%(ids)b) UNION ALL SELECT id FROM merged WHERE id = ANY(%(ids)b)"
LAST_EVENTS = "SELECT profile_id, number, seq FROM last_imported WHERE profile_id = ANY(%b)"
EVENTS = "SELECT id, profile_id FROM event WHERE id = ANY(%b)"
TOMBSTONES = "SELECT hash FROM erased WHERE hash = ANY(%b)"
OTHER_LAST = """
SELECT line, profile.id, last_imported.seq, profile.seq FROM last_imported
JOIN profile ON profile.id = last_imported.profile_id WHERE profile.seq <> last_imported.seq LIMIT 1
"""
TAKEN_NUMBERS = "SELECT erased.number, event.id FROM erased JOIN event ON event.number = erased.number LIMIT 1"


def import_into_database(url: str, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """Import the lines of a whole export; return the number of rows of each table.

    `name` is the file's name in errors. `on_bytes` is called now and then with the number of bytes that are read.
    Raises NotImportedError and StoreError; then the database is as before.
    """
    with SharedDatabase(url) as database:
        if database.has_nodes():
            raise StoreError(f"Servers run on {database.name}: stop them first.")
        with database.connection() as db:
            return Import(_Database(db), file, name, on_bytes).run()


class _EventChecker(EventChecker):
    def __init__(self, db: Connection) -> None:
        self._db = db

    def existing(self, profile_ids: Set[str], event_ids: Sequence[str]) -> Existing:
        profiles = [*profile_ids]
        return Existing(
            {key for (key,) in self._db.rows(PROFILES, {"ids": profiles})},
            {key: (number, seq) for key, number, seq in self._db.rows(LAST_EVENTS, [profiles])},
            {(event_id, profile_id) for event_id, profile_id in self._db.rows(EVENTS, [[*event_ids]])},
        )

    def put_last(self, rows: Sequence[Row]) -> None:
        PUT_LAST_EVENTS.run(self._db, rows)

    def others(self) -> Sequence[Row]:
        return self._db.rows(OTHER_LAST)


class _Database:
    """A `Target`."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._events = _EventChecker(db)

    def begin(self) -> None:
        self._db.run("BEGIN")
        self._db.run(LOCK)
        [(self._least,)] = self._db.rows(LEAST)

    def last_number(self) -> int:
        [(number,)] = self._db.rows(LAST_NUMBER)
        return int(number)

    def put(self, lines: Sequence[int], kind: type[Record], rows: Sequence[Row]) -> None:
        if kind is ProfileRecord:
            self._refuse_erased(lines, rows)
        if kind is EventRecord:
            self._events.check(lines, rows)
        stored = [row[:-1] for row in rows] if kind in WITHOUT_LINKS else rows
        if kind is ErasedRecord:
            stored = [self._with_number(row) for row in rows]
        if not self._is_put(kind, stored):
            self._put_one_by_one(lines, kind, stored)
        if kind is ProfileRecord:
            PUT_PII.run(self._db, [*pii_rows(row[DOC] for row in rows)])

    def _with_number(self, row: Row) -> Row:
        """Erasures before the feed have no number: here it is negative, where no feed shows it."""
        if row[-1] is not None:
            return row
        self._least -= 1
        return *row[:-1], self._least

    def _is_put(self, kind: type[Record], rows: Sequence[Row]) -> bool:
        """Insert rows, all or none of them; returns whether they are stored."""
        self._db.run("SAVEPOINT batch")
        try:
            INSERTS[kind].run(self._db, rows)
        except psycopg.Error as error:
            if not is_of_one_change(error):
                raise
            self._error = error
            self._db.run("ROLLBACK TO batch")
            return False
        self._db.run("RELEASE batch")
        return True

    def _put_one_by_one(self, lines: Sequence[int], kind: type[Record], rows: Sequence[Row]) -> None:
        """Find the row that cannot be stored."""
        for line, row in zip(lines, rows, strict=True):
            if not self._is_put(kind, [row]):
                if isinstance(self._error, psycopg.errors.UniqueViolation):
                    raise exists_already(kind, row, line) from self._error
                fault = f"the table {kind.table()} cannot hold it ({reason_of(self._error)})"
                raise InvalidLineError(fault, line) from self._error

    def _refuse_erased(self, lines: Sequence[int], profiles: Sequence[Row]) -> None:
        positions = {tombstone(row[0]): position for position, row in enumerate(profiles)}
        erased = self._db.rows(TOMBSTONES, [[*positions]])
        for position in sorted(positions[found] for (found,) in erased):
            raise InvalidLineError(f"profile {profiles[position][0]!r} was erased in this database", lines[position])

    def end(self, last_number: int) -> None:
        self._events.end()
        self._db.run(MOVE_BEHIND, {"last": last_number})
        for number, event_id in self._db.rows(TAKEN_NUMBERS):
            raise InvalidLineError(f"a tombstone has the number {number}, as event {event_id!r}")

    def commit(self) -> None:
        self._db.run("COMMIT")

    def roll_back(self) -> None:
        self._db.roll_back()
