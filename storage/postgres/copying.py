"""Copies a database file into an empty PostgreSQL database, batch by batch: what was copied before is not copied again.

Each batch is a transaction, and rows are inserted in the order of their keys, so the last key of a table is all that is
known about the progress. A row of `copied_file` keeps servers and other commands away until the copy is complete. The
last transaction writes the tables of one row, and that the copy is complete, when both have the same rows.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from trackd.storage.errors import StoreError
from trackd.storage.postgres.bulk import Rows
from trackd.storage.postgres.connection import is_of_one_change, reason_of
from trackd.storage.postgres.copied_tables import COPIED, CopiedTable
from trackd.storage.postgres.numbers import MOVE_BEHIND
from trackd.storage.postgres.shared_database import SharedDatabase
from trackd.storage.postgres.table_differences import Difference, differences
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.refusals import LAST_REFUSAL

BATCH_ROWS, BATCH_BYTES = 2_000, 4 * 2**20
COPY_LOCK = 0x74726B67
# All that a server or a command may have changed leaves a trace in one of these.
STATE = f"""
SELECT (SELECT json_group_array(number) FROM installation), (SELECT json_group_array(id) FROM feed_history),
    ({LAST_NUMBER}), (SELECT version FROM sources_version), (SELECT number FROM tokens_made),
    (SELECT beats FROM heartbeat)
"""
LAST_JOB = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job'), 0)"
BEGUN = "SELECT fingerprint, is_complete FROM copied_file"
BEGIN = "INSERT INTO copied_file VALUES (1, %s, false)"
LEAST = "SELECT least(min(number), 0) FROM erased"
SET_NUMBER = "SELECT setval(pg_get_serial_sequence(%s, 'number'), greatest(%s::bigint, 1), %s::bigint > 0)"
LAST_ROW = "SELECT coalesce(max(number), 0) FROM {}"
COMPLETE = "UPDATE copied_file SET is_complete = true"

Advance = Callable[[int, int | None], None]


class Copied:
    """What a copy did: the number of rows of each table, and whether it was complete before."""

    def __init__(self, counts: dict[str, int], *, was_complete: bool) -> None:
        self.counts = counts
        self.was_complete = was_complete


def copy_file(path: Path, url: str, advance: Advance) -> Copied:
    """Copy the file, or the rest of it. `advance` is called with the rows that are copied so far, and with all of them.

    Raises StoreError, a sentence, for a file that a server uses, for a database that servers use or that has other
    content, and for a file that has changed since the copy was begun.
    """
    with DatabaseLock(path), ReadOnlyFile(path, older="refuse") as file, file.errors(), _Target(url, path) as target:
        if target.is_complete(_fingerprint(file.connection)):
            return Copied({}, was_complete=True)
        counts = _counts(file.connection)
        done, total = 0, sum(counts.values())
        for table in COPIED:
            for rows in target.copy(table, file.connection):
                done += rows
                advance(done, total)
        target.put_single_rows(file.connection)
        target.compare(file.connection)
        return Copied(counts, was_complete=False)


def _fingerprint(db: Any) -> str:
    [state] = db.execute(STATE).fetchall()
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _counts(db: Any) -> dict[str, int]:
    return {table.name: db.execute(f"SELECT count(*) FROM {table.name}").get for table in COPIED}


class _Target:
    """The database, under a lock that keeps other copies out."""

    def __init__(self, url: str, path: Path) -> None:
        self._database = SharedDatabase(url, accepts_incomplete=True)
        self._name, self._path = self._database.name, path

    def __enter__(self) -> Self:
        try:
            with self._database.connection() as db:
                try:
                    db.rows("SELECT pg_advisory_lock(%s)", [COPY_LOCK])
                except psycopg.errors.LockNotAvailable:
                    raise StoreError(f"Another `trackd migrate` copies into {self._name}: wait for its end.") from None
        except BaseException:
            self._database.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.__exit__(kind, error, trace)

    def is_complete(self, fingerprint: str) -> bool:
        """Whether the same file was copied before; begins a copy into an empty database. Raises StoreError."""
        if self._database.has_nodes():
            raise StoreError(f"Servers run on {self._name}: stop them first.")
        with self._database.transaction() as db:
            for begun, is_complete in db.rows(BEGUN):
                if begun != fingerprint:
                    raise StoreError(
                        f"{self._name} has a copy of another file, or {self._path} was changed since that copy began: "
                        "drop the database, create it again, and begin anew."
                    )
                return bool(is_complete)
            for table in COPIED:
                if db.rows(f"SELECT 1 FROM {table.name} LIMIT 1"):
                    raise StoreError(
                        f"{self._name} is not empty, it has rows in {table.name}: name a new database, on which no "
                        "server was started."
                    )
            db.run(BEGIN, [fingerprint])
        return False

    def copy(self, table: CopiedTable, source: Any) -> Iterator[int]:
        """Copy the rows that the database lacks, and yield the number of those of each batch."""
        with self._database.connection() as db:
            last, insert = table.last_key(db), table.insert()
            [(self._least,)] = db.rows(LEAST)
            yield db.rows(f"SELECT count(*) FROM {table.name}")[0][0]
        while True:
            rows = self._batch(table, source, last)
            if not rows:
                return
            self._put(table, insert, rows)
            last = table.key_of(rows[-1])
            yield len(rows)

    def _batch(self, table: CopiedTable, source: Any, last: Sequence[Any] | None) -> list[Sequence[Any]]:
        rows: list[Sequence[Any]] = []
        size = 0
        try:
            for row in source.execute(*table.of_file(last, BATCH_ROWS)):
                rows.append(self._with_number(table.converted(row)) if table.name == "erased" else table.converted(row))
                size += sum(len(value) for value in row if isinstance(value, str))
                if size >= BATCH_BYTES:
                    break
        except UnicodeDecodeError as error:
            raise StoreError(
                f"{self._path} has texts in {table.name} that are no UTF-8: `trackd verify` names them."
            ) from error
        return rows

    def _with_number(self, row: Sequence[Any]) -> Sequence[Any]:
        """Erasures before the feed have no number: here it is negative, where no feed shows it."""
        if row[-1] is not None:
            return row
        self._least -= 1
        return *row[:-1], self._least

    def _put(self, table: CopiedTable, insert: Rows, rows: Sequence[Sequence[Any]]) -> None:
        with self._database.connection() as db:
            try:
                insert.run(db, rows)
                return
            except psycopg.Error as error:
                if not is_of_one_change(error):
                    raise
            for row in rows:  # one of them cannot be stored: those before it are
                try:
                    insert.run(db, [row])
                except psycopg.Error as error:
                    raise StoreError(
                        f"{self._path} has a row in {table.name} that PostgreSQL does not take "
                        f"({' '.join(map(str, table.key_of(row)))}: {reason_of(error)}): mend it, and run this again."
                    ) from error

    def put_single_rows(self, source: Any) -> None:
        """Write the tables of one row, and the numbers that are given next."""
        with self._database.transaction() as db:
            [(last, deleted_up_to)] = source.execute(f"SELECT ({LAST_NUMBER}), deleted_up_to FROM event_numbers")
            db.run("UPDATE event_numbers SET deleted_up_to = %s", [deleted_up_to])
            db.run(MOVE_BEHIND, {"last": last})
            db.run(
                "UPDATE sources_version SET version = %s", [source.execute("SELECT version FROM sources_version").get]
            )
            db.run("UPDATE tokens_made SET number = %s", [source.execute("SELECT number FROM tokens_made").get])
            for number, page in source.execute("SELECT number, page FROM installation"):
                db.run("UPDATE installation SET number = %s, page = %s", [number, page])
            for stop in source.execute("SELECT stopped_after, confirmed, trusted FROM retention"):
                columns = ("stopped_after", "confirmed", "trusted")
                values = ", ".join(f"{column} = %s::timestamptz" for column in columns)
                db.run(f"UPDATE retention SET {values}", stop)
            db.run("UPDATE refusal_numbers SET used_up_to = %s", [source.execute(LAST_REFUSAL).get])
            for table in ("profile", "session", "login", "job"):
                number = source.execute(LAST_JOB).get if table == "job" else db.rows(LAST_ROW.format(table))[0][0]
                db.rows(SET_NUMBER, [table, number, number])

    def compare(self, source: Any) -> None:
        """Hold both against each other, and note that the copy is complete. Raises StoreError for a difference."""
        with self._database.connection() as db:
            found = [each for each in differences(source, db) if each.fault]
        if found:
            raise StoreError(f"The copy in {self._name} is not as {self._path}: {_listed(found)}.")
        with self._database.transaction() as db:
            db.run(COMPLETE)


def _listed(found: Sequence[Difference]) -> str:
    return "; ".join(f"{each.table}: {each.fault}" for each in found)
