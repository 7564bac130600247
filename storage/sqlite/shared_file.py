"""A database file for a command that changes it, while a server runs on it or without one."""

import contextlib
from pathlib import Path

from trackd.storage.sqlite.connection import DatabaseError, check_path, database_errors
from trackd.storage.sqlite.database import check_exists, lacking_migrations, open_for_writing, open_prepared
from trackd.storage.sqlite.lock import DatabaseInUseError, DatabaseLock
from trackd.storage.sqlite.log_renewal import copy_log_and_close, renew_log
from trackd.storage.sqlite.opening import log_kept_open
from trackd.storage.sqlite.side_files import prepare


class SharedFile:
    """Opens the file, with `create` also a missing or empty one. Raises DatabaseError.

    A file of an older version gets the tables of this one, but not while a server of that version runs on it.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        prepare(path)
        if create:
            check_path(path)
        else:
            check_exists(path)
        with database_errors(path):
            is_older = bool(lacking_migrations(path, new=create))
        if is_older:
            _migrate(path)
        with log_kept_open(path):
            self.connection = open_prepared(path, create=create)

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Around statements: errors of SQLite become DatabaseError."""
        return database_errors(self.path)

    def close(self) -> None:
        copy_log_and_close(self.connection, self.path)


def _migrate(path: Path) -> None:
    try:
        with DatabaseLock(path) as lock:
            connection = open_for_writing(path, create=False)
            lock.note_log("FULL")
            try:
                with database_errors(path):
                    renew_log(connection, path)
            finally:
                copy_log_and_close(connection, path, has_lock=True)
    except DatabaseInUseError as error:
        raise DatabaseError(
            f"{path} is of an older trackd, which is running on it: use the command of that version, or stop its "
            "server and start `trackd serve` of this one."
        ) from error
