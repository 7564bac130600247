"""Files that dead runs and earlier restores have left beside a database."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from trackd.storage.doctor.finding import Finding, Findings, State, size
from trackd.storage.files.temporary import leftovers

LEFTOVERS = "leftovers"
MOST_NAMED = 3


def check_leftovers(database: Path) -> Findings:
    real = Path(os.path.realpath(database))
    try:
        dead = leftovers(real.parent)
        kept = [
            path
            for path in real.parent.iterdir()
            if path.name.startswith((f"{real.name}.before-", f"{real.name}-wal-damaged-"))
        ]
    except OSError:
        return  # the check of the folder has it
    if dead:
        found = f"unfinished files of commands that were killed: {_named(dead)}"
        yield Finding(LEFTOVERS, State.NOTE, found, "the next command of their user that writes here removes them")
    if kept:
        found = f"what earlier restores and damaged logs left: {_named(kept)}"
        yield Finding(LEFTOVERS, State.NOTE, found, "remove them when they are not needed any more")
    if not dead and not kept:
        yield Finding(LEFTOVERS, State.OK, "none")


def _named(paths: Iterable[Path]) -> str:
    names = sorted(path.name for path in paths)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}, {size(sum(map(_bytes, paths)))}"


def _bytes(path: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        total = path.lstat().st_size
        if path.is_dir() and not path.is_symlink():
            total = sum(each.lstat().st_size for each in path.iterdir())
    return total
