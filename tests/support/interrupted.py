"""Files as a power loss leaves them in the middle of a change."""

import contextlib
import shutil
from pathlib import Path

import apsw


def interrupt(path: Path) -> None:
    """Leave a file without a log in the middle of a change, with the journal that undoes it."""
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA cache_size = 1")  # changed pages are written before the commit
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE profile SET seq = 77")
        connection.execute("UPDATE event SET type = 'half', properties = printf('%.5000c', ' ')")
        saved = path.with_name("saved")
        saved.mkdir()
        for file in (path, Path(f"{path}-journal")):
            shutil.copyfile(file, saved / file.name)
        connection.execute("ROLLBACK")
    for file in saved.iterdir():
        shutil.copyfile(file, path.with_name(file.name))
    shutil.rmtree(saved)
