"""Restore: puts a copy of a database in the place of the database file, and keeps what was there.

The copy is made and checked in a temporary folder beside the file, together with a log that it may have. Then the file,
its log and its journal get another name, and the copy gets theirs. A marker beside the file shows meanwhile that this
is not done, so that nobody starts on a part of it.
"""

import contextlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from trackd.storage.files.atomic_file import atomic_file, followed, sync_folder, take_mode
from trackd.storage.files.private_file import create
from trackd.storage.files.syncing import sync
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.storage.files.temporary import temporary_folder
from trackd.storage.sqlite.connection import DatabaseError, connect, database_errors
from trackd.storage.sqlite.feed import begin_history
from trackd.storage.sqlite.file_format import table_names
from trackd.storage.sqlite.foreign_log import check_log
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_tail import check_tail
from trackd.storage.sqlite.opening import Suffix, side_file
from trackd.storage.transfer.copies import Contents, DamagedError, checked_contents, damage

BYTES_AT_ONCE = 2**20
KEPT_WITH_FILE: tuple[Suffix, ...] = ("-wal", "-journal")
EXPORT = b'{"format":"trackd-export"'


class Restored(Struct, frozen=True):
    """What a restore has done. `kept` is the new name of the file that was there, if there was one."""

    contents: Contents
    kept: Path | None


def restore(
    copy: Path,
    path: Path,
    *,
    replace: bool,
    on_bytes: Callable[[int, int], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Restored:
    """Put a copy of the database file `copy`, with its log if it has one, in the place of the database file `path`.

    A file that is there is kept under another name with its log, and only replaced with `replace`. The new one takes
    its mode and owner, or else the mode of `copy`. `on_bytes` is called with the bytes that are copied so far and their
    total. Raises DatabaseError, and LinkError; then everything is as before.
    """
    with DatabaseLock(path), _errors(path):
        with _reading(copy):
            _check_source(copy, path)
        target = followed(path)
        if _is_file(target) and not replace:
            raise DatabaseError(
                f"{path} exists already: name another file with --db, or replace it with --force, which keeps it under "
                "another name."
            )
        with temporary_folder(target) as folder:
            made = folder / "database"
            _copy(copy, made, on_bytes)
            contents = _recover(made, copy)
            _sync(made, target, stat.S_IMODE(copy.stat().st_mode))
            kept = _exchange(made, target, now())
    return Restored(contents, kept)


def _check_source(copy: Path, path: Path) -> None:
    if not copy.exists():
        raise DatabaseError(f"There is no {copy}: name a file that `trackd backup` has made.")
    if not copy.is_file():
        raise DatabaseError(f"{copy} is not a file: name one that `trackd backup` has made.")
    if copy.stat().st_size == 0:
        raise DatabaseError(f"{copy} is empty: name another copy.")
    if path.exists() and copy.samefile(path):
        raise DatabaseError(f"{copy} is the database itself: name a copy of it.")
    if DatabaseLock(copy).is_held():
        raise DatabaseError(f"{copy} is in use by a trackd: copy it with `trackd backup --db {copy}`.")
    with copy.open("rb") as file:
        if file.read(len(EXPORT)) == EXPORT:
            raise DatabaseError(f"{copy} is an export: read it with `trackd import`.")
    check_log(copy)
    check_tail(copy)


def _copy(copy: Path, made: Path, on_bytes: Callable[[int, int], None]) -> None:
    """Copy the file with its log and its journal, which SQLite uses up beside the new one."""
    files = {copy: made}
    for suffix in KEPT_WITH_FILE:
        if side_file(copy, suffix).exists():
            files[side_file(copy, suffix)] = side_file(made, suffix)
    before = [_state(file) for file in files]
    done, total = 0, sum(size for size, _ in before)
    for file, target in files.items():
        with open(target, "wb", opener=lambda name, _: create(name)) as output:
            for part in _parts(file):
                output.write(part)
                done += len(part)
                on_bytes(done, max(done, total))
    if [_state(file) for file in files] != before:
        raise DatabaseError(f"{copy} was changed while it was copied: copy it with `trackd backup --db {copy}`.")


def _parts(file: Path) -> Iterator[bytes]:
    with _reading(file), file.open("rb") as source:
        while part := source.read(BYTES_AT_ONCE):
            yield part


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{file} cannot be read {reason_and_remedy(error)}.") from error


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _recover(made: Path, copy: Path) -> Contents:
    """Make one file of the copy, and check it."""
    try:
        with damage(), database_errors(copy), contextlib.closing(connect(made, mode="rw")) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # the whole file is synced once
            connection.execute("PRAGMA journal_mode = DELETE")
            if "feed_history" in table_names(connection):
                begin_history(connection)
        return checked_contents(made, copy)
    except DamagedError as error:
        raise DatabaseError(f"{copy} is not restored, it is damaged ({error}): name an older copy.") from error


def _sync(made: Path, target: Path, mode: int) -> None:
    descriptor = os.open(made, os.O_RDWR | os.O_CLOEXEC)
    try:
        take_mode(descriptor, target, mode)
        sync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(made: Path, target: Path, now: datetime) -> Path | None:
    """Give the file that is there another name, and the new one its name; return the other name."""
    marker = side_file(target, "-restoring")
    kept = _kept_before(marker, target) or _free_name(target, now)
    with atomic_file(marker) as file:
        file.write(kept.name.encode())
    moves = {target: kept} | {side_file(target, suffix): side_file(kept, suffix) for suffix in KEPT_WITH_FILE}
    begun = []
    try:
        for source, aside in moves.items():
            if _is_file(source):
                begun.append(source)
                source.rename(aside)
            else:
                source.unlink(missing_ok=True)  # an empty log is none
        side_file(target, "-shm").unlink(missing_ok=True)
        made.rename(target)
    except BaseException:
        for source in reversed(begun):
            with contextlib.suppress(FileNotFoundError):
                moves[source].rename(source)
        marker.unlink()
        raise
    sync_folder(target.parent)
    marker.unlink()
    sync_folder(target.parent)
    return kept if kept.exists() or begun else None


def _kept_before(marker: Path, target: Path) -> Path | None:
    """The name under which an interrupted restore has kept a part of the files."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        kept = target.with_name(marker.read_text())
        if kept.name.startswith(f"{target.name}.before-") and not (kept.exists() and target.exists()):
            return kept
    return None


def _free_name(target: Path, now: datetime) -> Path:
    first = f"{target.name}.before-{now:%Y%m%dT%H%M%SZ}"
    names = itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2)))
    paths = (target.with_name(name) for name in names)
    return next(path for path in paths if not path.exists() and not side_file(path, "-wal").exists())


def _is_file(path: Path) -> bool:
    """Whether there is something in the file, or something else in its place."""
    return path.exists() and (path.stat().st_size > 0 or not path.is_file())


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{path} cannot be written {reason_and_remedy(error)}.") from error
