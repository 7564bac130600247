"""Export of events as they arrive, into files of a folder: one for each hour or 100,000 events.

A file is written when its last event is known, and appears complete. Its name has the numbers of the events that it
covers, so the names of the complete files are all that is known about the progress: the next start continues after
the highest number. Numbers are in the order of commits, and none is given twice, so no event is missed.
"""

import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from trackd.core.documents import timestamp
from trackd.storage.errors import StoreError
from trackd.storage.files.atomic_file import atomic_file
from trackd.storage.sqlite.read_only_file import FileChangedError
from trackd.storage.transfer.exporting import AnyExport, Part

MAX_EVENTS = 100_000
POLL_S = 1.0
GRACE = timedelta(seconds=10)  # events of an hour may be committed shortly after it
HOUR = len("2026-01-31T12")

Write = Callable[[AnyExport, Part, BinaryIO], None]
"""Writes a part of the events to a file."""


class FollowError(StoreError):
    """The events cannot be followed into this folder. The message is a sentence that names the remedy."""


class Follower:
    """Follows the events of one store into one folder. A context manager that holds the folder's lock.

    `name` is that of the store in errors, `open_export` opens it for a while. `suffix` is that of the files, such as
    `.csv`. Events that arrived before `since` are left out. Raises FollowError, StoreError, and OSError for a folder
    that cannot be written.
    """

    def __init__(
        self,
        name: str,
        open_export: Callable[[], AnyExport],
        folder: Path,
        suffix: str,
        write: Write,
        since: str | None = None,
    ) -> None:
        self._name = name
        self._open_export = open_export
        self._folder = folder
        self._suffix = suffix
        self._write = write
        self._examined = 0  # events up to this number, in files or not
        self._begin_file(Part(since))

    def __enter__(self) -> "Follower":
        with self._open_export():  # no folder is made for a database that there is not
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
            except FileExistsError:
                raise FollowError(f"{self._folder} is not a folder: name another one.") from None
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FollowError(f"Another trackd writes to {self._folder}: stop it, or name another folder.") from None
        for unfinished in self._folder.glob(".event-*.part"):
            unfinished.unlink()
        names = re.compile(rf"event-\d+-(\d+){re.escape(self._suffix)}")
        found = [match for file in self._folder.iterdir() if (match := names.fullmatch(file.name))]
        self._examined = max([int(match[1]) for match in found], default=0)
        self._begin_file(replace(self._part, after=self._examined))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def files(self, stop: threading.Event, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Path]:
        """Write file after file, and yield each when it is complete. After `stop` the last one has what is left."""
        is_last_round = False
        while not is_last_round:
            is_last_round = stop.is_set()
            try:
                with self._open_export() as source:
                    last_number = self._checked(source.last_number())
                    for _ in self._ends(source, last_number, now, is_last_round):
                        yield self._write_file(source)
                        if stop.is_set():
                            break
            except FileChangedError:  # a server has started; no file has what was read meanwhile
                self._examined, is_last_round = self._part.after, False
                self._begin_file(self._part)
                continue
            stop.wait(POLL_S)

    def _checked(self, last_number: int) -> int:
        """A number that the database has not reached comes from another one, or from a later state of this one."""
        if self._examined > last_number:
            raise FollowError(
                f"{self._folder} follows events up to number {self._examined}, and those of {self._name} end with "
                f"{last_number}: it is another database, or an older copy. Name another folder."
            )
        return last_number

    def _begin_file(self, part: Part) -> None:
        """`part` begins after the last event that is in a file."""
        self._part = part
        self._last = part.after  # the number of the file's last event
        self._events = 0
        self._arrived = self._begun = ""  # hours: the arrival of the file's first event, and the clock at that time

    def _ends(
        self, source: AnyExport, last_number: int, now: Callable[[], datetime], is_last_round: bool
    ) -> Iterator[None]:
        """Examine the new events up to a number, and yield where the file ends."""
        for number, inserted in source.new_events(replace(self._part, after=self._examined, last=last_number)):
            if self._events and inserted[:HOUR] > self._arrived:
                yield
            if not self._events:
                self._arrived, self._begun = inserted[:HOUR], _hour(now())
            self._events += 1
            self._last = self._examined = number
            if self._events == MAX_EVENTS:
                yield
        self._examined = last_number
        if self._events and (is_last_round or _hour(now()) > self._begun):
            yield

    def _write_file(self, source: AnyExport) -> Path:
        part = replace(self._part, last=self._last)
        file = self._folder / f"event-{part.after + 1:012}-{part.last:012}{self._suffix}"
        with atomic_file(file) as output:
            self._write(source, part, output)
        self._begin_file(replace(self._part, after=self._last))
        return file


def _hour(now: datetime) -> str:
    return timestamp(now - GRACE)[:HOUR]
