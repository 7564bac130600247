"""What has to be done about the files beside a database file before it is opened."""

import os
from pathlib import Path

from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.foreign_log import check_log
from trackd.storage.sqlite.opening import Suffix, side_file
from trackd.storage.sqlite.rollback_journal import roll_back

BELONGING: tuple[Suffix, ...] = ("-wal", "-shm", "-journal")


class UnfinishedRestoreError(DatabaseError):
    """A restore was interrupted while it exchanged the files."""


def prepare(path: Path) -> None:
    """Make a file ready to be opened after an unclean end: roll back what was interrupted.

    Raises DatabaseError when its side files are those of another file, or not complete.
    """
    if not _leads_somewhere(path):
        return  # to open it fails too, with a sentence
    if os.path.lexists(side_file(path, "-restoring")):
        raise UnfinishedRestoreError(
            f"A restore of {path} was interrupted: run the same `trackd restore` again, with --force."
        )
    check_log(path)
    roll_back(path)


def remove_side_files(path: Path) -> None:
    """Remove the side files of a file that gets replaced now, or that is missing: another one would take them over."""
    for suffix in BELONGING:
        side_file(path, suffix).unlink(missing_ok=True)


def leads_to_file(path: Path) -> bool:
    """Whether there is something; False also for a path that leads to no place."""
    return os.path.exists(path)  # noqa: PTH110  Path.exists raises OSError for a name that is too long


def _leads_somewhere(path: Path) -> bool:
    """Whether there is a file, or can be one: not through links without an end, or with too long a name."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True
