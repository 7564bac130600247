"""The audit of a PostgreSQL database, for `trackd verify`: all checks, on one snapshot, also while servers run."""

from collections.abc import Callable, Iterable, Iterator

import psycopg

from trackd.storage.audit.audit import Findings, findings_of
from trackd.storage.audit.check import Check, Finding
from trackd.storage.audit.documents import FAULTS, OTHER_TABLES, export_check, sentence, shape_check
from trackd.storage.postgres.audit_promises import COUNTERS, PROMISES
from trackd.storage.postgres.audit_tables import COUNTS, OBJECTS
from trackd.storage.postgres.connection import Connection, reason_of
from trackd.storage.postgres.read_only_database import ReadOnlyDatabase
from trackd.storage.postgres.tables import TABLES, Table
from trackd.storage.transfer.records import RECORDS, Row

MEND = (
    "mend the row with `psql` while no server runs, or restore a dump: until then calls that need the row are refused"
)
SAVEPOINT = "SAVEPOINT check_of_audit"


def database_checks(*, rules_change_counters: bool) -> tuple[Check[Connection], ...]:
    """All checks, without that of the counters when the rules change counters."""
    shapes = {record.table(): export_check(record) for record in RECORDS}
    shapes |= {name: shape_check(shape) for name, shape, *_ in OTHER_TABLES}
    rows = [_rows_check(TABLES[name], check) for name, check in shapes.items()]
    return (OBJECTS, COUNTS, *rows, *PROMISES, *(() if rules_change_counters else (COUNTERS,)))


def audit_database(url: str, which: Iterable[Check[Connection]]) -> Iterator[Findings]:
    """Run the checks on a database, and yield the findings of each. Raises StoreError when it cannot be read."""
    with ReadOnlyDatabase(url) as database, database.snapshot() as db:
        for check in which:
            db.run(SAVEPOINT)
            yield findings_of(check, _found(check, db))


def _found(check: Check[Connection], db: Connection) -> Iterator[Finding]:
    """What the check finds. A fault of a statement that ends it is one of the findings."""
    try:
        yield from check.find(db)
    except psycopg.Error as error:
        if not db.is_open:
            raise
        db.run(f"ROLLBACK TO {SAVEPOINT}")
        yield "", f"the check stopped here: {reason_of(error)}"


def _rows_check(table: Table, check: Callable[[Row], None]) -> Check[Connection]:
    def find(db: Connection) -> Iterator[Finding]:
        for row in table.rows(db):
            try:
                check(row)
            except FAULTS as error:
                yield _place(table, row), sentence(error)

    return Check(f"rows of {table.name}", f"each row of {table.name} is as trackd writes it", find, MEND)


def _place(table: Table, row: Row) -> str:
    return " ".join(str(row[table.names.index(column)]) for column in table.place)
