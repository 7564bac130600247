"""The files of an open database: whether they are still at their paths, and still this database.

A file that was removed, moved away or replaced stays open, and takes commits that nobody will find. One that another
was copied over, in its place, stays the same file: SQLite would copy its log into the other content.
"""

import contextlib
import os
from pathlib import Path

import apsw

from trackd.storage.sqlite.connection import Connection, DatabaseError, connect
from trackd.storage.sqlite.opening import side_file

HEADER_BYTES = 28  # that are compared
MAGIC = b"SQLite format 3\0"
READS = 3  # a checkpoint may write the header at this moment


class MisplacedError(DatabaseError):
    """A file is not where it was opened. The message is a sentence without its end, with what to do."""


class OpenedFiles:
    """The database file at `path`, its log and the index of the log, as they are now, when a connection has all open.

    `identity` names the database file itself, whatever its path. When `expected` is another one, `check` fails. With
    `connection`, one to the file that has a log, `check` looks at the file's content too.
    """

    def __init__(self, path: Path, expected: str = "", connection: Connection | None = None) -> None:
        self._database = path.absolute()
        self._log, index = side_file(path, "-wal"), side_file(path, "-shm")
        try:
            self._opened = {name: name.stat() for name in (self._database, self._log, index)}
        except OSError as error:
            raise self._misplaced(Path(error.filename), f"cannot be reached ({error.strerror})") from error
        found = self._opened[self._database]
        self.identity = f"{found.st_dev}:{found.st_ino}"
        self._is_other = expected not in ("", self.identity)
        self._connection = connection
        self._changes = 0

    def check(self) -> None:
        """Raises MisplacedError. Takes some microseconds. For the thread that uses the connection."""
        self._check_places()
        if self.is_overwritten():
            raise MisplacedError(
                f"{self._database} was overwritten in its place: stop the server, and restore a backup with "
                f"`trackd restore BACKUP --db {self._database} --force`"
            )

    def is_overwritten(self) -> bool:
        """Whether another file was copied over the database file, which keeps its identity, or its content was cut.

        Another file has no log, or is older: its counter of changes, which no commit lowers, goes back.
        """
        return self._connection is not None and all(self._has_other_header(self._connection) for _ in range(READS))

    def _has_other_header(self, connection: Connection) -> bool:
        """Read by SQLite: the end of another descriptor would drop its locks on the file in this process."""
        with contextlib.suppress(apsw.Error):  # it was closed, or the disk fails, which others report
            has_all, header = connection.read("main", 0, 0, HEADER_BYTES)
            changes = int.from_bytes(header[24:28])
            if not has_all or not header.startswith(MAGIC) or header[18:20] != b"\x02\x02" or changes < self._changes:
                return True
            self._changes = changes
        return False

    def connect(self) -> Connection:
        """A connection that only reads. Raises MisplacedError, and errors of SQLite."""
        connection = connect(self._database, mode="ro")
        try:
            self._check_places()
        except BaseException:
            connection.close()
            raise
        return connection

    def has_own_log(self) -> bool:
        """Whether the log at its path is the one that was opened."""
        try:
            self._check(self._log)
        except MisplacedError:
            return False
        return True

    def has_own_database(self) -> bool:
        try:
            self._check(self._database)
        except MisplacedError:
            return False
        return not self._is_other

    def where_changes_are(self) -> str:
        """A sentence for the end of a server whose files were misplaced."""
        if self.is_overwritten():
            return (
                f"{self._database} was overwritten while the server ran: restore a backup with `trackd restore BACKUP "
                f"--db {self._database} --force`; what is left of the file and its log is kept then."
            )
        if self.has_own_database():
            return f"{self._log} was removed while the server ran: the last calls that were answered were in it."
        return (
            f"{self._database} was removed, moved or replaced while the server ran: the calls that were answered are "
            "in the file that was there before."
        )

    def _check_places(self) -> None:
        if self._is_other:
            raise self._misplaced(self._database, "is another file than the one that the server has open")
        for path in self._opened:
            self._check(path)

    def _check(self, path: Path) -> None:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise self._misplaced(path, "was removed or moved away") from None
        except OSError as error:
            raise self._misplaced(path, f"cannot be reached ({error.strerror})") from error
        if not os.path.samestat(found, self._opened[path]):
            raise self._misplaced(path, "was replaced by another file")

    def _misplaced(self, path: Path, how: str) -> MisplacedError:
        if path == self._database:
            return MisplacedError(f"{path} {how}: put the file back that was there, or stop the server")
        return MisplacedError(
            f"{path} {how}: stop the server and start it again, it copies the write-ahead log into {self._database}"
        )
