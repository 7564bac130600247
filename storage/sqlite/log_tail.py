"""The end of a write-ahead log: commits behind it, which SQLite does not read, and whether they are missing or damaged.

SQLite reads a log up to the last commit whose frames all have the right checksum, and drops what follows without a
word. A power loss leaves there at most the one commit that was not synced yet, and with `synchronous` NORMAL several;
a log that was damaged later, by a disk or a copy, has more. Their frames still continue each other, which frames of an
earlier loss do not: later commits have overwritten the frames between them.
"""

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import apsw
from msgspec import Struct

from trackd.storage.files.syncing import sync
from trackd.storage.sqlite.connection import DatabaseError, connect, database_errors
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.lock_content import noted_log
from trackd.storage.sqlite.log_frames import MAX_PAGE, MIN_PAGE, LogFrames, LogHeader, Numbers, log_of

log = logging.getLogger(__name__)

PAGE_SIZE_AT = 16  # in the header of the database file, two bytes; 1 stands for 65536
DEFAULT_PAGE_SIZE = 4096
UNREADABLE_END = "%s at the end of the write-ahead log cannot be read, as after a power loss: dropped"
TRIES = 5


class LogTail(Struct, frozen=True):
    """What stands behind the end of a log. `end` is the number of the last frame that SQLite reads."""

    end: int = 0
    commits: int = 0
    """The commits behind the end that belong to this log: they cannot be read."""
    is_damage: bool = False
    """Whether they are more than one power loss leaves with `synchronous` FULL."""
    bytes_before: int = 0
    """The length of the log up to its end; 0 when its header is damaged."""


NO_TAIL = LogTail()


def read_tail(path: Path, *, by_checksums: bool = False) -> LogTail:
    """The tail of the log of a database file, also while a server runs on it. Raises DatabaseError."""
    for _ in range(TRIES):
        with contextlib.suppress(EOFError), _log_errors(path), _frames(path) as frames:
            header = frames.header
            if header is None or len(frames) == 0:
                break
            end = _end(path, by_checksums) if header.is_sound else 0
            tail = _tail(frames, header, end)
            if not tail.commits or not header.is_sound or _is_unchanged(path, header, end, by_checksums):
                return tail
    return NO_TAIL  # a server writes it at this moment


def tail_for_reader(path: Path) -> LogTail:
    """As `read_tail`, also for a user who has no right to write: then it takes a second for 20 MB."""
    try:
        return read_tail(path)
    except DatabaseError as error:
        if not isinstance(error.__cause__, apsw.ReadOnlyError):
            raise
        return read_tail(path, by_checksums=True)


def check_tail(path: Path, *, only_reads: bool = False) -> None:
    """Raises DatabaseError when commits in the log are damaged, and no server uses the file.

    After a server with `synchronous` NORMAL they are as a power loss leaves them, and are dropped as at its start. With
    `only_reads` the user may have no right to the lock: then a server may use the file.
    """
    try:
        tail = read_tail(path)
    except DatabaseError as error:
        if only_reads and isinstance(error.__cause__, apsw.ReadOnlyError):
            return  # the index of the log cannot be used: without it the end takes too long to find
        raise
    if not tail.is_damage or _is_served(path, only_reads):
        return
    if noted_log(path).synchronous != "NORMAL" or not tail.bytes_before:
        raise _damaged(path, tail)
    log.warning(UNREADABLE_END, _commits(tail))


def _is_served(path: Path, only_reads: bool) -> bool:
    try:
        return DatabaseLock(path).is_held()
    except DatabaseError:
        if only_reads:
            return True
        raise


def settle_tail(path: Path, synchronous: str) -> None:
    """Cut off what a power loss has left behind the end of the log. For the process that has the lock of the file.

    The commits in it are logged. Raises DatabaseError when they are damaged; with `synchronous` NORMAL a power loss may
    leave any number of them, which looks like damage, but no damaged header.
    """
    tail = read_tail(path)
    if tail.is_damage and (synchronous == "FULL" or not tail.bytes_before):
        raise _damaged(path, tail)
    if tail.commits:
        with _log_errors(path), log_of(path).open("rb+") as file:
            _cut(file, tail)
        log.warning(UNREADABLE_END, _commits(tail))


def _damaged(path: Path, tail: LogTail) -> DatabaseError:
    return DatabaseError(
        f"{log_of(path)} is damaged: {_commits(tail)} behind its frame {tail.end} cannot be read. Restore a backup, or "
        "go on without them: `trackd serve --accept-damaged-log` drops them, and keeps a copy of the log."
    )


def drop_damaged_commits(path: Path) -> None:
    """Cut the commits that cannot be read off a damaged log, and keep a copy of it. Raises DatabaseError."""
    with DatabaseLock(path):
        _drop(path, read_tail(path) if path.exists() else NO_TAIL)


def _drop(path: Path, tail: LogTail) -> None:
    if not tail.is_damage:
        log.info("the write-ahead log is not damaged: nothing of it is dropped")
        return
    from trackd.storage.files.atomic_file import atomic_file  # loads OpenSSL, which the writer process does not need

    damaged = log_of(path)
    copy = damaged.with_name(f"{damaged.name}-damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with _log_errors(path), damaged.open("rb+") as file:
        with atomic_file(copy) as kept:
            shutil.copyfileobj(file, kept)
        _cut(file, tail)
    log.warning("%s of the write-ahead log are dropped, they cannot be read; %s is a copy", _commits(tail), copy)


def _cut(file: BinaryIO, tail: LogTail) -> None:
    file.truncate(tail.bytes_before)
    sync(file.fileno())


def _tail(frames: LogFrames, header: LogHeader, end: int) -> LogTail:
    """Count the commits behind the frame `end`: they are damaged if the frames of several continue each other."""
    salts = header.salts if header.is_sound else _salts_of_frames(frames, header)
    commits = sum(frame.ends_commit and frame.salts == salts for frame in frames.frames(after=end))
    # Checksums take a second for 20 MB: a kill within a migration leaves a long tail without a commit.
    most = commits if commits < 2 else _most_in_chain(frames, header, salts, end)
    # The header is synced before the first commit: no power loss leaves a faulty one with commits behind it.
    is_damage = most > 1 or (commits > 0 and not header.is_sound)
    return LogTail(end, commits, is_damage, frames.offset(end + 1) if header.is_sound else 0)


def _most_in_chain(frames: LogFrames, header: LogHeader, salts: Numbers, end: int) -> int:
    """The most commits behind the frame `end` whose frames continue each other; 2 stands for more, too."""
    before = [frames.frame(end).checksum if end else header.checksum]  # one of which the next frame may continue
    in_chain = most = 0
    for frame in frames.frames(after=end):
        if frame.salts != salts:  # an older frame, or a damaged one
            before = [frame.checksum]
            continue
        expected = [frames.checksum(frame.number, each) for each in before]
        is_next = frame.checksum in expected
        in_chain = (in_chain if is_next else 0) + frame.ends_commit
        before = [frame.checksum] if is_next else [frame.checksum, expected[0]]
        most = max(most, in_chain)
        if most > 1:
            break
    return most


def _salts_of_frames(frames: LogFrames, header: LogHeader) -> Numbers:
    """The salts of a log whose header is damaged, or was cut off when the log began anew: its frames are older then."""
    first = [frame.salts for frame in islice(frames.frames(), 3)]
    salts = max(first, key=first.count)
    is_older = header.salts[0] == salts[0] + 1 and header.salts[1] != salts[1]
    return header.salts if is_older else salts


def _end(path: Path, by_checksums: bool) -> int:
    """The last frame that SQLite reads. The connection cannot write, so it leaves the log as it is when it closes."""
    if by_checksums:
        with LogFrames(path) as frames:
            return frames.end() if frames.header else 0
    with database_errors(path), contextlib.closing(connect(path, mode="ro")) as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        end, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    return max(end, 0)


def _is_unchanged(path: Path, header: LogHeader, end: int, by_checksums: bool) -> bool:
    with LogFrames(path) as again:
        return again.header == header and _end(path, by_checksums) == end


def _frames(path: Path) -> LogFrames:
    frames = LogFrames(path)
    if frames.header is None or frames.header.is_sound:
        return frames
    with frames:
        return LogFrames(path, _page_size(path))


def _page_size(path: Path) -> int:
    """That of the database file. SQLite reads it: the end of another descriptor would drop its locks on the file."""
    file = apsw.VFSFile("", str(path.resolve()), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    try:
        size = int.from_bytes(file.xRead(2, PAGE_SIZE_AT)) if file.xFileSize() > PAGE_SIZE_AT else 0
    finally:
        file.xClose()
    return MAX_PAGE if size == 1 else size if size >= MIN_PAGE else DEFAULT_PAGE_SIZE


def _commits(tail: LogTail) -> str:
    return "1 commit" if tail.commits == 1 else f"{tail.commits} commits"


@contextlib.contextmanager
def _log_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise DatabaseError(
            f"{log_of(path)} cannot be used ({reason}): check the disk, and the rights to it."
        ) from error
