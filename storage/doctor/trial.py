"""Tries the disk of a database: in a temporary folder beside it, which is removed afterwards."""

import contextlib
import errno
import fcntl
import os
import statistics
import struct
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from trackd.storage.doctor.finding import Finding, Findings, State, duration, of_system_error
from trackd.storage.files.private_file import create
from trackd.storage.files.syncing import sync
from trackd.storage.files.system_errors import REMEDIES, reason_of
from trackd.storage.files.temporary import temporary_folder
from trackd.storage.sqlite.connection import SQLITE_ERRORS, connect, connect_for_writing

WRITING, LOCKS, FSYNC = "writing", "locks", "fsync"
SYNCS, SYNC_BYTES, SYNCS_WITHIN_S = 100, 4096, 10.0
SLOW_S, SLOWEST_S = 0.05, 1.0
MAPS = Path("/proc/self/maps")
OTHER_DISK = "move the database to a local disk"
LOCK_OF_HANDLE = getattr(fcntl, "F_OFD_SETLK", None)  # Linux: as SQLite's locks, but one process can try them
EXCLUSIVE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)


def check_disk(database: Path) -> Findings:
    """Make files in the folder of a database, lock them, commit and sync."""
    try:
        with temporary_folder(database, removes_leftovers=False) as folder:
            yield Finding(WRITING, State.OK, f"files can be made in {database.parent}")
            yield _locks(folder / "lock")
            yield _sqlite(folder / "trial")
            yield _fsync(folder / "sync")
    except OSError as error:
        remedy = "check that the folder exists and its disk is sound"
        finding = of_system_error(WRITING, f"no file can be made in {database.parent}", error, remedy)
        if error.errno in (errno.EACCES, errno.EPERM):
            remedy = "let the user of the server write to this folder (`chown`, `chmod u+w`), or run this as that user"
            finding = Finding(WRITING, finding.state, finding.found, remedy)
        yield finding


def _locks(path: Path) -> Finding:
    first = create(path)
    second = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not _excludes(lambda handle: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB), first, second):
            return Finding(LOCKS, State.FAULT, "two programs get the same lock at once (flock)", OTHER_DISK)
        fcntl.flock(first, fcntl.LOCK_UN)
        if not _excludes(_lock_range, first, second):
            return Finding(LOCKS, State.FAULT, "two programs get the same lock at once (fcntl)", OTHER_DISK)
    except OSError as error:
        return Finding(LOCKS, State.FAULT, f"files cannot be locked ({reason_of(error)})", OTHER_DISK)
    finally:
        os.close(second)
        os.close(first)
    return Finding(LOCKS, State.OK, "a lock keeps others out")


def _lock_range(handle: int) -> None:
    if LOCK_OF_HANDLE is not None and struct.calcsize("P") == 8:
        try:
            fcntl.fcntl(handle, LOCK_OF_HANDLE, EXCLUSIVE)
            return
        except OSError as error:
            if error.errno != errno.EINVAL:  # a kernel without this kind
                raise
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # on macOS they are of the same kind


def _excludes(lock: Callable[[int], None], first: int, second: int) -> bool:
    lock(first)
    try:
        lock(second)
    except (BlockingIOError, PermissionError):
        return True
    return False


def _sqlite(path: Path) -> Finding:
    check = "SQLite's log"
    try:
        with (
            contextlib.closing(connect_for_writing(path, mode="rwc")) as writer,
            contextlib.closing(connect(path, mode="rw")) as other,
        ):
            if writer.pragma("journal_mode") != "wal":
                return Finding(check, State.FAULT, "SQLite can keep no write-ahead log here", OTHER_DISK)
            other.set_busy_timeout(0)
            writer.execute("CREATE TABLE trial (a)")
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("INSERT INTO trial VALUES (1)")
            try:
                other.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                writer.execute("COMMIT")
            else:
                return Finding(check, State.FAULT, "two connections can write at once", OTHER_DISK)
            if other.execute("SELECT count(*) FROM trial").get != 1:
                return Finding(check, State.FAULT, "a commit is not seen by others", OTHER_DISK)
    except apsw.FullError as error:
        return Finding(check, State.FAULT, f"a trial database cannot be used ({error})", REMEDIES[errno.ENOSPC])
    except SQLITE_ERRORS as error:
        return Finding(check, State.FAULT, f"a trial database cannot be used ({error})", OTHER_DISK)
    return Finding(check, State.OK, "a trial database commits, and others see it")


def _fsync(path: Path) -> Finding:
    if MAPS.exists() and "libeatmydata" in MAPS.read_text(errors="replace"):
        return Finding(FSYNC, State.FAULT, "libeatmydata is loaded, which ignores each fsync", "unset LD_PRELOAD")
    times = _sync_times(path)
    median, slowest = statistics.median(times), max(times)
    found = f"median {duration(median)}, worst {duration(slowest)} of {len(times)}"
    if median > SLOW_S or slowest > SLOWEST_S:
        remedy = "each batch of calls waits for one: use a faster disk, or find out what else writes to this one"
        return Finding(FSYNC, State.WARNING, found, remedy)
    return Finding(FSYNC, State.OK, found)


def _sync_times(path: Path) -> list[float]:
    """How long each of a hundred commits of a page waits for the disk; fewer on one that takes seconds."""
    times: list[float] = []
    descriptor = create(path)
    try:
        ends = time.monotonic() + SYNCS_WITHIN_S
        for number in range(SYNCS):
            os.pwrite(descriptor, os.urandom(SYNC_BYTES), number * SYNC_BYTES)
            began = time.perf_counter()
            sync(descriptor)
            times.append(time.perf_counter() - began)
            if time.monotonic() > ends:
                break
    finally:
        os.close(descriptor)
    return times
