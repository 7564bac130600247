"""A database file for a command that only reads: nothing is written to it, and no file is made beside it.

A file of an older version is read from a temporary copy with the tables of this one. SQLite keeps it in memory as long
as it is small, then in the folder for temporary files, and deletes it when it is closed.
"""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

import apsw

from trackd.storage.closing import Closing
from trackd.storage.sqlite.connection import (
    Connection,
    DatabaseError,
    Mode,
    connect,
    database_errors,
    extended_code,
    transaction,
)
from trackd.storage.sqlite.database import check_exists
from trackd.storage.sqlite.file_format import MIGRATIONS_TABLE, table_names
from trackd.storage.sqlite.log_tail import check_tail
from trackd.storage.sqlite.opening import (
    WITHOUT_LOCKS,
    FileState,
    can_be_read_without_locks,
    check_format,
    mode_for_reading,
    once_unchanged,
    side_file,
)
from trackd.storage.sqlite.side_files import prepare

PAGES_AT_ONCE = 1024
FAULTS_OF_COPY = (apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_GETTEMPPATH)  # the file itself is only read
SCHEMA = """
SELECT type, sql FROM sqlite_schema
WHERE type <> 'view' AND name NOT LIKE 'sqlite^_%' ESCAPE '^' AND sql NOT LIKE 'CREATE VIRTUAL %' ORDER BY rowid
"""


class FileChangedError(DatabaseError):
    """Another program wrote to the file while it was read without locks: what was read may be wrong."""


class ReadOnlyFile(Closing):
    """A context manager that closes the file. Raises DatabaseError.

    `lacking` are the migrations that the file lacks. `older` is the treatment of a file that lacks any: `copy` its
    `tables`, by default all, `keep` it as it is, or `refuse` it. A damaged log is refused, because what follows the
    damage is left out; with `damaged_log` it is read up to there.
    """

    def __init__(
        self,
        path: Path,
        tables: Collection[str] | None = None,
        *,
        older: Literal["copy", "keep", "refuse"] = "copy",
        damaged_log: bool = False,
    ) -> None:
        prepare(path)
        check_exists(path)
        self.path = path
        self._connections: list[Connection] = []
        self._mode: Mode | None = None  # None for a temporary copy
        self._before: FileState | None = None  # of a file that is read without locks
        try:
            with self.errors():
                self.lacking = once_unchanged(path, self._open)
            if self._before is None and not damaged_log:
                check_tail(path, only_reads=True)
            if self.lacking and older == "refuse":
                raise DatabaseError(
                    f"{path} was written by an older trackd (it lacks {', '.join(sorted(self.lacking))}): "
                    "start `trackd serve` on it once to bring its tables up to date."
                )
            if self.lacking and older == "copy":
                self._read_from_copy(tables)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    @property
    def connection(self) -> Connection:
        """The first connection."""
        return self._connections[0]

    def connect(self) -> Connection:
        """A connection for another thread: a new one, or that of a temporary copy."""
        if self._mode is None:
            return self.connection
        connection = connect(self.path, mode=self._mode)
        self._connections.append(connection)
        return connection

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Around statements: errors of SQLite become DatabaseError. At its end what was read is right."""
        try:
            with database_errors(self.path, reading=True):
                yield
        except DatabaseError:
            self.check_unchanged()
            raise
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raises FileChangedError."""
        if self._before is not None and not self._before.is_unchanged(self.path):
            raise FileChangedError(
                f"{self.path} was changed while it was read, by a server that has started or by another program: "
                "run the command again."
            )

    def _open(self, state: FileState) -> frozenset[str]:
        """Returns the migrations that the file lacks."""
        mode = mode_for_reading(self.path, state)
        try:
            return self._open_with(mode, state)
        except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError) as error:
            if can_be_read_without_locks(self.path, state) and mode != WITHOUT_LOCKS:  # the disk may be full
                return self._open_with(WITHOUT_LOCKS, state)
            if state.log_bytes and not isinstance(error, apsw.IOError):
                raise DatabaseError(
                    f"The newest changes of {self.path} are in {side_file(self.path, '-wal').name} beside it, and "
                    "cannot be read in a folder that this user may not write to: copy both files to another folder, "
                    "and name the copy with --db."
                ) from error
            raise

    def _open_with(self, mode: Mode, state: FileState) -> frozenset[str]:
        self.close()
        self._connections.clear()
        self._mode = mode
        self._before = state if mode == WITHOUT_LOCKS else None
        return check_format(self.connect(), self.path)

    def _read_from_copy(self, tables: Collection[str] | None) -> None:
        from trackd.storage.sqlite.schema import migrate  # loads sqlite-utils

        source, copy = self.connection, Connection("")
        self._connections.append(copy)
        with self.errors():
            source.execute("BEGIN")  # one snapshot
            try:
                copy.execute("PRAGMA journal_mode = OFF")  # a fault ends with the copy
                _copy(source, copy, tables)
                with transaction(copy):
                    migrate(copy)
            except (apsw.FullError, apsw.CantOpenError, apsw.IOError) as error:
                if isinstance(error, apsw.IOError) and extended_code(error) not in FAULTS_OF_COPY:
                    raise
                raise DatabaseError(
                    f"{self.path} was written by an older trackd, and the folder for temporary files has no room for a "
                    "copy with the tables of this version: name another folder in TMPDIR, with as much room as the "
                    "file takes."
                ) from error
        source.close()
        self._connections, self._mode, self._before = [copy], None, None


def _copy(source: Connection, copy: Connection, tables: Collection[str] | None) -> None:
    """Copy the whole file, or the rows of some of its tables, and of all others none."""
    if tables is None:
        with copy.backup("main", source, "main") as copying:
            while not copying.done:
                copying.step(PAGES_AT_ONCE)
        return
    schema = [(str(kind), str(sql)) for kind, sql in source.execute(SCHEMA)]
    for kind, sql in schema:
        if kind == "table":
            copy.execute(sql)
    for table in table_names(source) & {MIGRATIONS_TABLE, *tables}:
        for row in source.execute(f"SELECT * FROM {table}"):
            copy.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    for kind, sql in schema:  # a trigger would have acted on the rows
        if kind != "table":
            copy.execute(sql)
    copy.pragma("application_id", source.pragma("application_id"))
