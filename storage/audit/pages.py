"""Checks of the pages of a file and of its write-ahead log."""

import contextlib
from collections.abc import Iterator
from itertools import islice

from trackd.storage.audit.check import AuditedFile, Check, Finding
from trackd.storage.sqlite.log_frames import LogFrames, log_of
from trackd.storage.sqlite.log_tail import tail_for_reader

INTEGRITY = "SELECT '', integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"
RESTORE = (
    "stop the server, keep a copy of the file, and restore a backup; when indexes alone are named, `sqlite3 FILE "
    "REINDEX` builds them again; without a backup, `sqlite3 FILE .recover` writes what can still be read as SQL"
)
ACCEPT = "restore a backup, or start with `trackd serve --accept-damaged-log`, which goes on without these commits"


def _find_damaged_pages(file: AuditedFile) -> Iterator[Finding]:
    return file.texts(INTEGRITY)


PAGES = Check("integrity", "the file is sound", _find_damaged_pages, RESTORE)


def log_check(synchronous: str) -> Check[AuditedFile]:
    """With `synchronous` NORMAL a power loss leaves any number of commits that cannot be read: it is no fault then."""

    def find(file: AuditedFile) -> Iterator[Finding]:
        tail, log = tail_for_reader(file.path), str(log_of(file.path))
        with contextlib.suppress(EOFError):  # a server has begun the log anew meanwhile
            yield from ((log, fault) for fault in _damaged_frames(file, tail.end))
        if tail.is_damage and synchronous == "FULL":
            yield log, f"{tail.commits} commits behind frame {tail.end} cannot be read"

    return Check("log", "the commits in the write-ahead log can be read", find, ACCEPT)


def _damaged_frames(file: AuditedFile, end: int) -> Iterator[str]:
    """Frames that SQLite reads without a look at their checksum, while the index of the log is in memory."""
    with LogFrames(file.path) as frames:
        header = frames.header
        if header is None or not header.is_sound:
            return
        before = header.checksum
        for frame in islice(frames.frames(), end):
            if frame.salts != header.salts:
                return
            if frames.checksum(frame.number, before) != frame.checksum:
                yield f"frame {frame.number}, with page {frame.page}, is damaged"
            before = frame.checksum
