"""Import of an export into a database file: see import_lines.py."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import apsw

from trackd.storage.files.atomic_file import atomic_path
from trackd.storage.files.private_file import create
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.connection import DatabaseError, connect, database_errors
from trackd.storage.sqlite.database import create_tables, open_for_writing
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_renewal import copy_log_and_close, renew_log
from trackd.storage.sqlite.pii_index import put_pii_of_documents
from trackd.storage.sqlite.side_files import prepare, remove_side_files
from trackd.storage.transfer.import_checks import FileEventChecker, check_positions, exists_already, refuse_erased
from trackd.storage.transfer.import_lines import Import
from trackd.storage.transfer.records import RECORDS, ErasedRecord, EventRecord, ProfileRecord, Record, Row

DOC = ProfileRecord.columns.index("doc")
# A new file gets its name when it is complete: until then a kill or a power loss leaves a temporary file.
NEW_FILE = ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY")
INSERTS = {
    record: BulkInsert(
        record.table(), record.columns, "ON CONFLICT (hash) DO NOTHING" if record is ErasedRecord else ""
    )
    for record in RECORDS
}
# The numbers that the exported events had are not used again here either. A file of trackd 0.1 does not name the last
# one, but a profile may still name its last event, though that is deleted.
USE_NUMBERS = """
UPDATE event_numbers SET used_up_to = max(used_up_to, ?, coalesce((SELECT max(last_event) FROM profile), 0),
    coalesce((SELECT max(number) FROM erased), 0))
"""


def import_export(path: Path, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """Import the lines of `Export.lines` into the database file at `path`; return the number of rows of each table.

    `name` is the file's name in errors. `on_bytes` is called now and then with the number of bytes that are read.
    Raises NotImportedError and DatabaseError; then the database is as before, and a file that did not exist is removed.
    """
    with DatabaseLock(path) as lock, _writing(path):
        if path.exists() and path.stat().st_size > 0:
            db = open_for_writing(path)
            lock.note_log("FULL")
            try:
                with database_errors(path):
                    renew_log(db, path)
                    return Import(_File(db), file, name, on_bytes).run()
            finally:
                copy_log_and_close(db, path, has_lock=True)
        prepare(path)
        with atomic_path(path) as made, database_errors(path):
            os.close(create(made))
            with contextlib.closing(connect(made, mode="rw")) as db:
                for setting in NEW_FILE:
                    db.execute(setting)
                create_tables(db, made)
                counts = Import(_File(db), file, name, on_bytes).run()
            remove_side_files(path)
        return counts


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{path} cannot be written {reason_and_remedy(error)}.") from error


class _File:
    """A `Target`."""

    def __init__(self, db: Any) -> None:
        self._db = db

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._events = FileEventChecker(self._db)

    def last_number(self) -> int:
        return int(self._db.execute(LAST_NUMBER).get)

    def put(self, lines: Sequence[int], kind: type[Record], rows: Sequence[Row]) -> None:
        if kind is ProfileRecord:
            refuse_erased(self._db, lines, rows)
        if kind is EventRecord:
            self._events.check(lines, rows)
        self._db.execute("SAVEPOINT batch")
        try:
            INSERTS[kind].run(self._db, rows)
        except apsw.ConstraintError:
            self._db.execute("ROLLBACK TO batch")
            self._put_one_by_one(lines, kind, rows)
        self._db.execute("RELEASE batch")
        if kind is ProfileRecord:
            put_pii_of_documents(self._db, [row[DOC] for row in rows])

    def _put_one_by_one(self, lines: Sequence[int], kind: type[Record], rows: Sequence[Row]) -> None:
        """Find the row that cannot be stored."""
        for line, row in zip(lines, rows, strict=True):
            try:
                INSERTS[kind].run(self._db, [row])
            except apsw.ConstraintError as error:
                raise exists_already(kind, row, line) from error

    def end(self, last_number: int) -> None:
        self._events.end()
        self._db.execute(USE_NUMBERS, (last_number,))
        check_positions(self._db)

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
