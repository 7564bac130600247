"""Rolls back a transaction that a power loss has interrupted in a file without a write-ahead log, such as a backup.

A server uses such a file without a log for its first commit alone, which begins the log. SQLite keeps the pages as they
were in `NAME-journal`. It restores them when the file is opened for writing, and can read it in no other way.
"""

import contextlib
from pathlib import Path

import apsw

from trackd.storage.sqlite.connection import SQLITE_ERRORS, DatabaseError, connect
from trackd.storage.sqlite.file_format import APPLICATION_ID
from trackd.storage.sqlite.opening import side_file

HEADER_BYTES, APPLICATION_ID_AT = 100, slice(68, 72)
MAGIC = bytes.fromhex("d9d505f920a163d7")  # of a journal that is complete up to its sync


def roll_back(path: Path) -> None:
    """Roll back the interrupted transaction of a database file, if it has one.

    Another process may do this at the same moment, and a transaction that is going on is not rolled back: SQLite's own
    locks see to both. Raises DatabaseError when the file cannot be written.
    """
    if not is_interrupted(path):
        return
    try:
        with contextlib.closing(connect(path, mode="rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)  # of a log that was begun after the change
    except SQLITE_ERRORS as error:
        raise DatabaseError(
            f"A power loss or a kill has interrupted a change of {path}, and it cannot be rolled back "
            f"({str(error).rstrip('.')}): run the command as a user that may write to it, to the journal beside it "
            f"({side_file(path, '-journal').name}), and to their folder."
        ) from error


def is_interrupted(path: Path) -> bool:
    """Whether there is a journal that SQLite would use, and the file is of trackd."""
    try:
        with side_file(path, "-journal").open("rb") as journal:
            if journal.read(len(MAGIC)) != MAGIC:
                return False
        with path.open("rb") as file:
            return int.from_bytes(file.read(HEADER_BYTES)[APPLICATION_ID_AT]) == APPLICATION_ID
    except PermissionError:  # SQLite cannot read the file without it
        return True
    except OSError:  # also when there is none
        return False
