"""Export of a PostgreSQL database or of one of its tables, in constant memory, while servers run.

A whole export is of one moment, and numbers events and erasures anew, from 2 on and without gaps. Events alone are read
page by page up to the last one whose predecessors are all committed, with the numbers that they have.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from trackd.storage.closing import Closing
from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import Connection, text_of
from trackd.storage.postgres.feed import state_of
from trackd.storage.postgres.read_only_database import ReadOnlyDatabase
from trackd.storage.postgres.row_documents import READABLE_DOC
from trackd.storage.postgres.tables import DENSE, LAST_PLACE, TABLES
from trackd.storage.transfer.exporting import EVERYTHING, Part, refusal_of_row, whole_export
from trackd.storage.transfer.records import RECORDS, EventRecord, ProfileRecord, Record, Row, SessionRecord, line_of

PAGE = 1_000
CHANGED_IN_DOCUMENT = f"""btrim(({READABLE_DOC} #> '{{metadata,time,update}}')::text, '"')"""
CHANGED: dict[type[Record], str] = {
    ProfileRecord: f"greatest({CHANGED_IN_DOCUMENT}, {text_of('reevaluated')})",
    SessionRecord: text_of("updated"),
    EventRecord: text_of("inserted"),
}


class DatabaseExport(Closing):
    """A PostgreSQL database, opened for reading. See `AnyExport`. Raises StoreError."""

    def __init__(self, url: str) -> None:
        self._database = ReadOnlyDatabase(url)

    def close(self) -> None:
        self._database.close()

    def size(self, *records: type[Record]) -> int:
        """The number of rows that an export of these tables, by default all, has about now."""
        with self._database.errors():
            db = self._database.connection
            return sum(_one(db, f"SELECT count(*) FROM {record.table()}") for record in records or RECORDS)

    def lines(self) -> Generator[bytes, None, None]:
        """The lines of a whole export: a header, a record for each row, and the counts of the records."""
        with self._database.snapshot() as db:
            yield from whole_export(_one(db, LAST_PLACE), lambda record: self._dense(db, record))

    def _dense(self, db: Connection, record: type[Record]) -> Iterator[Record]:
        table = TABLES[record.table()]
        for row in db.stream(DENSE.get(table.name, table.select())):
            yield self._record(record, row)

    def documents(self, record: type[Record], part: Part = EVERYTHING) -> Generator[bytes, None, None]:
        """The documents of a table, one on each line."""
        for row in self.rows(record, part):
            document: Any = self._record(record, row)
            yield line_of(document.document) + b"\n"

    def rows(self, record: type[Record], part: Part = EVERYTHING) -> Generator[Row, None, None]:
        """The rows of a table, with all columns of the record."""
        if record is EventRecord:
            yield from self._events(EventRecord.columns, part)
            return
        where, changed = _changed(record, part)
        with self._database.snapshot() as db:
            yield from db.stream(TABLES[record.table()].select(where), changed)

    def new_events(self, part: Part) -> Generator[Row, None, None]:
        """The number and the time of arrival of each event."""
        yield from self._events(("number", "inserted"), part)

    def last_number(self) -> int:
        """The highest number that an event has or had, up to which all are committed."""
        with self._database.errors():
            return state_of(self._database.connection).last

    def _events(self, columns: Sequence[str], part: Part) -> Iterator[Row]:
        """One page at a time, so that a caller may read something else meanwhile."""
        where, changed = _changed(EventRecord, part)
        after, last = part.after, min(self.last_number(), part.last)
        in_page = f"{where} AND number > %(after)s AND number <= %(last)s"
        page = f"{TABLES['event'].select(in_page, ('number', *columns))} LIMIT {PAGE}"
        while True:
            with self._database.errors():
                rows = self._database.connection.rows(page, {**changed, "after": after, "last": last})
            for row in rows:
                yield row[1:]
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def _record(self, record: type[Record], row: Row) -> Record:
        try:
            return record.of_row(row)
        except (TypeError, ValueError) as error:
            raise StoreError(refusal_of_row(self._database.name, record, row, error)) from error


def _changed(record: type[Record], part: Part) -> tuple[str, dict[str, str]]:
    """A condition of SQL, and its parameters."""
    bounds = {"since": (">=", part.since), "until": ("<", part.until)}
    given = {name: (operator, time) for name, (operator, time) in bounds.items() if time is not None}
    conditions = [f"{CHANGED[record]} {operator} %({name})s" for name, (operator, _) in given.items()]
    return " AND ".join(["TRUE", *conditions]), {name: time for name, (_, time) in given.items()}


def _one(db: Connection, sql: str) -> int:
    [(value,)] = db.rows(sql)
    return int(value)
