"""A journal of what processes do with a database file and its log, and the files that a loss of power leaves then."""

import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

File = Literal["database", "log"]

SECTOR = 512  # a power loss leaves each sector of a write as it was before or after it


class Record(NamedTuple):
    """An operation that was done, or failed. `at` is the position in the journal when it began."""

    file: File
    operation: Literal["write", "truncate", "synced", "lost", "delete"]
    at: int
    offset: int = 0
    data: bytes = b""


class DiskJournal:
    """A journal in a file, which several processes append to. Without the file nothing is recorded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def position(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, record: Record) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.write(descriptor, pickle.dumps(tuple(record)))
        finally:
            os.close(descriptor)

    def image(self, file: File, before: bytes | None, end: int, rng: random.Random | None) -> bytes | None:
        """The content of the file after a loss of power at the position `end`, None for no file.

        It had the content `before` at first. What was written and not synced is lost, or with `rng` each sector of
        it by chance.
        """
        durable = None if before is None else bytearray(before)
        pending: list[Record] = []
        for record in self._records(file, end):
            match record.operation:
                case "delete":
                    durable, pending = None, []
                case "synced" | "lost":
                    durable = bytearray() if durable is None else durable
                    for done in [earlier for earlier in pending if earlier.at < record.at]:
                        if record.operation == "synced" or done.operation == "truncate":
                            _apply(durable, done)
                    pending = [later for later in pending if later.at >= record.at]
                case _:
                    pending.append(record)
        if rng is not None and pending:
            durable = bytearray() if durable is None else durable
            for done in pending:
                for sector in _sectors(done):
                    if rng.random() < 0.5:
                        _apply(durable, sector)
        return None if durable is None else bytes(durable)

    def _records(self, file: File, end: int) -> Iterator[Record]:
        with self._path.open("rb") as journal:
            while journal.tell() < end:
                record = Record(*pickle.load(journal))
                if record.file == file:
                    yield record


def _apply(image: bytearray, done: Record) -> None:
    if done.operation == "truncate":
        del image[done.offset :]
        image.extend(bytes(done.offset - len(image)))
        return
    end = done.offset + len(done.data)
    image.extend(bytes(max(0, end - len(image))))
    image[done.offset : end] = done.data


def _sectors(done: Record) -> Iterator[Record]:
    if done.operation == "truncate":
        yield done
    for begin in range(0, len(done.data), SECTOR):
        yield done._replace(offset=done.offset + begin, data=done.data[begin : begin + SECTOR])
