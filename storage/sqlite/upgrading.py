"""Before and while the tables of an older file are brought up to date: the disk that it needs, and how far it is."""

import logging
import os
import threading
import time
from collections.abc import Collection
from pathlib import Path

log = logging.getLogger(__name__)

LEAST_BYTES = 4_000_000
# What a migration writes in the end, as a share of the file: first into the log, then new pages into the file too. All
# others write a few pages, whatever the size of the file.
SHARES = {"chain_of_each_profiles_events": 2.0, "index_of_late_events": 0.25, "personal_data_by_value": 1.0}
FIRST_LINE_S, PAUSE_S = 1.0, 10.0
MB = 1_000_000


def room_for_upgrade(database: Path, lacking: Collection[str]) -> int:
    """The free disk in bytes that the migrations which a file lacks take at most, beside the file as it is."""
    share = sum(SHARES.get(name, 0.0) for name in lacking)
    return LEAST_BYTES + int(share * database.stat().st_size)


class Upgrade:
    """A context manager around the migrations of the file at `path`: it logs what they need, and their progress.

    A line comes before they begin, others when they take longer than a second. `lacking` are the names of those that
    the file lacks, in any order.
    """

    def __init__(
        self, path: Path, lacking: Collection[str], *, first_line_s: float = FIRST_LINE_S, pause_s: float = PAUSE_S
    ) -> None:
        self._path = path
        self._number = len(lacking)
        self._room = room_for_upgrade(path, lacking)
        self._first_line_s, self._pause_s = first_line_s, pause_s
        self._done = 0
        self._step = ""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._report, name="trackd-upgrade", daemon=True)

    def begin(self, step: str) -> None:
        """A migration begins."""
        self._done += bool(self._step)
        self._step = step

    def __enter__(self) -> "Upgrade":
        disk = os.statvfs(self._path.parent)
        free = disk.f_bavail * disk.f_frsize
        log.log(
            logging.WARNING if free < self._room else logging.INFO,
            "%s is of an older trackd: its tables are brought up to date in one transaction (%d changes), which needs "
            "up to %d MB of free disk, and %d MB are free",
            self._path,
            self._number,
            -(-self._room // MB),
            free // MB,
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _report(self) -> None:
        began = time.monotonic()
        pause_s = self._first_line_s
        while not self._is_over.wait(pause_s):
            pause_s = self._pause_s
            log.warning(
                "the tables of %s are being brought up to date: %d of %d changes are done, %s is under way, %.0f s so "
                "far; an interruption rolls all of it back",
                self._path,
                self._done,
                self._number,
                self._step,
                time.monotonic() - began,
            )
