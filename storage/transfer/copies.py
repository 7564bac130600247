"""Checks of a copy of a database before it takes the place of another file: a backup, or a backup that is restored."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw
from msgspec import Struct

from trackd.storage.sqlite.connection import DatabaseError, connect, database_errors
from trackd.storage.sqlite.opening import check_format

FIRST_FAULT = "PRAGMA integrity_check(1)"
CONTENTS = """
SELECT (SELECT count(*) FROM profile), (SELECT count(*) FROM event),
       (SELECT inserted FROM event ORDER BY number DESC LIMIT 1)
"""


class DamagedError(DatabaseError):
    """The pages of a database are damaged. The message is that of SQLite."""


class Contents(Struct, frozen=True):
    """What a database has. `newest` is the time at which its last event arrived, None without events."""

    profiles: int
    events: int
    newest: str | None

    @property
    def is_empty(self) -> bool:
        return self.profiles == self.events == 0


def checked_contents(copy: Path, name: Path) -> Contents:
    """Check a database file that no other process uses, and count its contents.

    `name` is the file's name in errors. Raises DamagedError, and DatabaseError for a file of another program or of a
    newer trackd.
    """
    with damage(), database_errors(name), contextlib.closing(connect(copy, mode="ro&immutable=1")) as connection:
        check_format(connection, name)
        fault = connection.execute(FIRST_FAULT).get
        if fault != "ok":
            raise DamagedError(" ".join(str(fault).split()))
        profiles, events, newest = next(connection.execute(CONTENTS))
    return Contents(profiles, events, newest)


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Raise SQLite's errors about damaged pages as DamagedError."""
    try:
        yield
    except DatabaseError as error:
        if isinstance(error.__cause__, apsw.CorruptError):
            raise DamagedError(str(error.__cause__)) from error
        raise


def contents_of(path: Path) -> Contents | None:
    """The contents of a database file, None for a file that is none."""
    with contextlib.suppress(DatabaseError):
        return checked_contents(path, path)
    return None
