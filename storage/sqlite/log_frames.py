"""The frames of a write-ahead log, read without SQLite: nothing is locked, and no file is made or changed.

A log is a header and frames. A frame is a page of the database; the last one of a commit has the size of the database
after it. A frame belongs to the log if it has the salts of the header, which change each time that the log begins
anew, and if its checksum is that of all that precedes it: https://www.sqlite.org/fileformat2.html#walformat
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

HEADER, FRAME = struct.Struct(">8I"), struct.Struct(">6I")
CHECKED_OF_HEADER, CHECKED_OF_FRAME = 24, 8  # bytes that the checksum covers, for a frame with its page
MAGIC = 0x377F0682  # the lowest bit is set when the words of checksums begin with the highest byte
VERSION = 3_007_000
MIN_PAGE, MAX_PAGE = 512, 65_536
WORD = 2**32 - 1

Numbers = tuple[int, int]


class LogHeader(Struct, frozen=True):
    """The header of a log. `sequence` counts how often the log began anew."""

    page_size: int
    sequence: int
    salts: Numbers
    checksum: Numbers
    big_endian: bool
    is_sound: bool
    """Whether SQLite reads the log; it takes one with another header for an empty log."""


class Frame(Struct, frozen=True):
    """A frame without its page. Frames are numbered from 1."""

    number: int
    page: int
    database_pages: int
    """The size of the database after the commit that the frame ends; 0 for all other frames."""
    salts: Numbers
    checksum: Numbers

    @property
    def ends_commit(self) -> bool:
        return self.database_pages > 0


class LogFrames:
    """The log of a database file, as a context manager that closes it.

    `page_size` is that of the database, for a log whose header is damaged. Raises OSError; a log that is missing, or
    shorter than its header, has no header and no frames.
    """

    def __init__(self, database: Path, page_size: int = 0) -> None:
        self._descriptor = _open(log_of(database))
        self.header = self._read_header(page_size)
        self._frame_size = FRAME.size + self.header.page_size if self.header else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def __len__(self) -> int:
        """The number of complete frames in the file, with those that no longer belong to the log."""
        if not self._frame_size:
            return 0
        return max(0, os.fstat(self._descriptor).st_size - HEADER.size) // self._frame_size

    def frame(self, number: int) -> Frame:
        """Raises EOFError when the log became shorter meanwhile."""
        return next(self._frames(number, number))

    def frames(self, after: int = 0) -> Iterator[Frame]:
        """The frames behind the one with the number `after`. Raises EOFError."""
        return self._frames(after + 1, len(self))

    def _frames(self, first: int, last: int) -> Iterator[Frame]:
        """A long log has hundreds of thousands: no calls for each of them."""
        descriptor, size, unpack, read_at = self._descriptor, FRAME.size, FRAME.unpack, os.pread
        offset = self.offset(first)
        for number in range(first, last + 1):
            if len(read := read_at(descriptor, size, offset)) < size:
                raise EOFError
            page, database_pages, salt_1, salt_2, check_1, check_2 = unpack(read)
            yield Frame(number, page, database_pages, (salt_1, salt_2), (check_1, check_2))
            offset += self._frame_size

    def page(self, number: int) -> bytes:
        """The page in a frame. Raises EOFError."""
        return self._read(self._frame_size - FRAME.size, self.offset(number) + FRAME.size)

    def checksum(self, number: int, before: Numbers) -> Numbers:
        """The checksum that a frame must have behind one with the checksum `before`; that of the header for the first.

        Raises EOFError.
        """
        assert self.header
        head = self._read(CHECKED_OF_FRAME, self.offset(number))
        return _checksum(head + self.page(number), before, self.header.big_endian)

    def end(self) -> int:
        """The number of the last frame that SQLite reads, by the checksums. Raises EOFError."""
        assert self.header
        checksum, end = self.header.checksum, 0
        for frame in self.frames():
            checksum = self.checksum(frame.number, checksum)
            if frame.salts != self.header.salts or frame.checksum != checksum:
                break
            end = frame.number
        return end

    def offset(self, number: int) -> int:
        """Where a frame begins in the file, in bytes."""
        return HEADER.size + (number - 1) * self._frame_size

    def _read(self, size: int, offset: int) -> bytes:
        read = os.pread(self._descriptor, size, offset)
        if len(read) < size:
            raise EOFError
        return read

    def _read_header(self, page_size: int) -> LogHeader | None:
        if self._descriptor < 0:
            return None
        read = os.pread(self._descriptor, HEADER.size, 0)
        if len(read) < HEADER.size:
            return None
        magic, version, size, sequence, salt_1, salt_2, check_1, check_2 = HEADER.unpack(read)
        big_endian, checksum = bool(magic & 1), (check_1, check_2)
        is_sound = (
            magic | 1 == MAGIC | 1
            and version == VERSION
            and MIN_PAGE <= size <= MAX_PAGE
            and size & (size - 1) == 0
            and _checksum(read[:CHECKED_OF_HEADER], (0, 0), big_endian) == checksum
        )
        return LogHeader(size if is_sound else page_size, sequence, (salt_1, salt_2), checksum, big_endian, is_sound)


def log_of(database: Path) -> Path:
    """The path of the log of a database file. SQLite follows links first."""
    real = database.resolve()
    return real.with_name(f"{real.name}-wal")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _checksum(data: bytes, before: Numbers, big_endian: bool) -> Numbers:
    words = struct.unpack(f"{'>' if big_endian else '<'}{len(data) // 4}I", data)
    one, two = before
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = one + even + two & WORD
        two = two + odd + one & WORD
    return one, two
