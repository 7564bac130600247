"""A folder of backups, each with the time in its name, of which the newest ones are kept."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from trackd.storage.files.system_errors import reason_and_remedy
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.opening import side_file
from trackd.storage.transfer.backup import back_up

TIME = "%Y%m%dT%H%M%SZ"
FOLDER_MODE = 0o700


class _Copy(Struct, frozen=True, order=True):
    """A copy in the folder; they are in the order in which they are removed."""

    is_dated: bool
    """Whether its time is not later than now. One from the future was made while the clock was wrong."""
    time: str
    number: int
    path: Path


def back_up_into(
    path: Path,
    folder: Path,
    *,
    keep: int,
    on_bytes: Callable[[int, int], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Path:
    """Copy a database file into a folder, then remove the oldest copies of it until `keep` are left.

    Returns the path of the new copy, such as `trackd-20260131T120000Z.db`. A missing folder is made. Nothing is removed
    when there is no sound new copy. Raises DatabaseError.
    """
    try:
        folder.mkdir(FOLDER_MODE, exist_ok=True)
        time = now().strftime(TIME)
        older = _copies(path, folder, time)
        number = max([each.number for each in older if each.time == time], default=0) + 1
        copy = folder / f"{path.stem}-{time}{f'-{number}' if number > 1 else ''}.db"
        back_up(path, copy, replace=False, on_bytes=on_bytes, previous=older[-1].path if older else None)
        for each in older[: max(0, len(older) + 1 - keep)]:
            for belonging in (each.path, *(side_file(each.path, suffix) for suffix in ("-wal", "-shm", "-journal"))):
                belonging.unlink(missing_ok=True)
    except OSError as error:
        raise DatabaseError(f"{error.filename or folder} cannot be written {reason_and_remedy(error)}.") from error
    return copy


def _copies(path: Path, folder: Path, now: str) -> list[_Copy]:
    names = re.compile(rf"{re.escape(path.stem)}-(\d{{8}}T\d{{6}}Z)(?:-(\d+))?\.db")
    found = ((names.fullmatch(file.name), file) for file in folder.iterdir())
    return sorted(_Copy(name[1] <= now, name[1], int(name[2] or 1), file) for name, file in found if name)
