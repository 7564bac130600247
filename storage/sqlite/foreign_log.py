"""Refuses a write-ahead log that was not written for the database file beside it.

SQLite takes any log with the right name, and writes its pages over those of the file. A copy that was put in the place
of a file whose log was left there is changed into a mixture of both, or back into the file that it should replace.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import apsw
from msgspec import Struct

from trackd.core.documents import timestamp
from trackd.storage.sqlite.connection import SQLITE_ERRORS, DatabaseError, connect
from trackd.storage.sqlite.lock_content import noted_log
from trackd.storage.sqlite.log_frames import LogFrames, log_of

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
LOCK_OFFSET = 2**30  # SQLite keeps no data in the page at this place
CLOCK_SLACK_S = 2.0  # some file systems keep times of two seconds
COPY_SLACK_S = 2.0  # between the last byte of a copy and its owner and mode
BETWEEN_COPIES_S, SLOWEST_COPY = 60.0, 1_000_000  # seconds, and besides bytes of the file a second
NEWEST_EVENT = "SELECT inserted FROM event ORDER BY number DESC LIMIT 1"


class ForeignLogError(DatabaseError):
    """A file and the log beside it do not belong together."""


class _FileHeader(NamedTuple):
    """Fields of the header of a database file, which begins its first page."""

    page_size: int
    has_log: bool
    """Whether the file is in the state in which SQLite keeps a log for it."""
    changes: int
    """A counter that no commit lowers, and each one that writes the first page raises by one."""
    free_pages: int


class _Committed(Struct):
    """What a log has committed: for each page the number of its last frame, and the pages of the whole database."""

    frames: dict[int, int]
    first_header: int = 0
    """The number of the first frame with the first page; 0 for none."""
    pages: int = 0


def check_log(path: Path) -> None:
    """Raises ForeignLogError. Also while a server runs on the file: what it writes at this moment belongs together."""
    before = _written(path)
    with contextlib.suppress(OSError, EOFError, apsw.Error), LogFrames(path) as log:
        # It cannot be read, which SQLite reports; or it begins anew at this moment.
        if log.header is None or not log.header.is_sound:
            return  # SQLite takes it for an empty log
        committed = _committed(log, len(log))
        reason = _mismatch(path, log, committed) if committed.frames else None
        # Behind the end of the log frames may have its salts. To find the end takes a second for 20 MB.
        if reason and (committed := _committed(log, log.end())).frames:
            reason = _mismatch(path, log, committed)
            if reason and _written(path) == before:
                raise _foreign(path, reason)


def _written(path: Path) -> list[tuple[int, int] | None]:
    """The sizes of the file and its log, and the times at which they were written."""
    found: list[tuple[int, int] | None] = []
    for file in (path, log_of(path)):
        try:
            state = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((state.st_size, state.st_mtime_ns))
    return found


def _foreign(path: Path, reason: str) -> ForeignLogError:
    log = log_of(path).name
    return ForeignLogError(
        f"{path} and the log beside it, {log}, do not belong together: {reason}. Put a copy there with `trackd restore "
        f"COPY --db {path} --force`, which takes the log away; or move {log} away, and with it the changes that it has."
    )


def _committed(log: LogFrames, end: int) -> _Committed:
    """Read the frames up to `end`, without their checksums."""
    assert log.header
    found = _Committed({})
    pending: dict[int, int] = {}
    for frame in log.frames():
        if frame.number > end or frame.salts != log.header.salts:
            break
        pending[frame.page] = frame.number
        if frame.page == 1 and not found.first_header:
            found.first_header = frame.number
        if frame.ends_commit:
            found.frames |= pending
            found.pages = frame.database_pages
            pending = {}
    return found


def _mismatch(path: Path, log: LogFrames, committed: _Committed) -> str | None:
    """Why the file cannot be the one that the log was written for."""
    assert log.header
    if not path.exists():
        return "the file is missing"
    with _opened(path) as file:
        size = file.xFileSize()
        if size == 0:
            return "the file is empty"
        header = _header(file.xRead(HEADER_BYTES, 0)) if size >= HEADER_BYTES else None
        if header is None:
            return None  # no database, which SQLite reports
        if header.page_size != log.header.page_size:
            return "their pages have different sizes"
        if not header.has_log:
            return "the file is a copy, or was closed, and has no log"
        if reason := _other_version(header, log, committed):
            return reason
        missing = _missing_pages(committed, size // header.page_size, header.page_size)
        if missing > _last_header(header, log, committed).free_pages:
            return f"{missing} pages of the database are in neither of them"
        return _replaced(path, file, log, committed, size)


def _other_version(header: _FileHeader, log: LogFrames, committed: _Committed) -> str | None:
    if 1 not in committed.frames:
        return None
    first = _header(log.page(committed.first_header))
    last = _last_header(header, log, committed)
    if first and first.changes > header.changes + 1:
        return "the file is older, and changes between the two are missing"
    if last.changes < header.changes:
        return "the file is newer"
    return None


def _last_header(header: _FileHeader, log: LogFrames, committed: _Committed) -> _FileHeader:
    return (_header(log.page(committed.frames[1])) if 1 in committed.frames else None) or header


def _missing_pages(committed: _Committed, file_pages: int, page_size: int) -> int:
    lock_page = LOCK_OFFSET // page_size + 1
    beyond = range(file_pages + 1, committed.pages + 1)
    return sum(page not in committed.frames and page != lock_page for page in beyond)


def _replaced(path: Path, file: apsw.VFSFile, log: LogFrames, committed: _Committed, size: int) -> str | None:
    """Whether the file was written after the log, and not from the log.

    If it was SQLite that wrote it, at least one page is as in the log. A clock that was set back gives the same times:
    then the newest event in the file is later than the log too, or the time now is earlier.
    """
    modified, log_modified = path.stat().st_mtime, log_of(path).stat().st_mtime
    if not log_modified + CLOCK_SLACK_S < modified <= time.time() or _were_copied_together(path):
        return None
    page_size = len(log.page(1))
    for page, frame in committed.frames.items():
        offset = (page - 1) * page_size
        if offset + page_size <= size and file.xRead(page_size, offset) == log.page(frame):
            return None
    newest = _newest_event(path)
    if newest is None or newest > timestamp(datetime.fromtimestamp(log_modified, UTC)):
        return None
    return (
        "the file was written after the log, and not from it (if nobody put it there, `touch` the log, and start again)"
    )


def _were_copied_together(path: Path) -> bool:
    """Whether the log is a copy that was made shortly before that of the file: both have the times of the copying.

    A copy that kept its old time (`cp -a`) shows when the server wrote last.
    """
    file, log = path.stat(), log_of(path).stat()
    has_time_of_copying = log.st_ctime - log.st_mtime < COPY_SLACK_S
    in_time = file.st_mtime - log.st_mtime < BETWEEN_COPIES_S + file.st_size / SLOWEST_COPY
    return has_time_of_copying and in_time and noted_log(path).is_copied


def _newest_event(path: Path) -> str | None:
    """The time at which the newest event in the file, without the log, arrived. "" without events, None if unknown."""
    try:
        with contextlib.closing(connect(path, mode="ro&immutable=1")) as connection:
            newest = connection.execute(NEWEST_EVENT).get
    except SQLITE_ERRORS:
        return None
    return newest if isinstance(newest, str) else ""


def _header(page: bytes) -> _FileHeader | None:
    if not page.startswith(MAGIC):
        return None
    page_size = int.from_bytes(page[16:18])
    return _FileHeader(
        65_536 if page_size == 1 else page_size,
        has_log=page[18:20] == b"\x02\x02",
        changes=int.from_bytes(page[24:28]),
        free_pages=int.from_bytes(page[36:40]),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[apsw.VFSFile]:
    """The database file, opened by SQLite: the end of another descriptor would drop SQLite's locks in this process."""
    file = apsw.VFSFile("", str(path.resolve()), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    try:
        yield file
    finally:
        file.xClose()
