"""A lock that keeps a second server off a database file. The kernel releases it when the server's processes end."""

import contextlib
import errno
import fcntl
import os
import stat
import time
from pathlib import Path
from types import TracebackType

from trackd.storage.files.private_file import create
from trackd.storage.sqlite.connection import DatabaseError

LAST_BATCH_TIMEOUT_S = 10.0
POLL_S = 0.02


class DatabaseInUseError(DatabaseError):
    """Another process holds the lock."""


class DatabaseLock:
    """A context manager that holds the lock of a database file.

    The lock is a file beside the database, `NAME-lock`, which contains the pid of the holder. It is overwritten, so it
    may be no link. A process that inherits `descriptor` holds the lock too: when a server is killed, its writer process
    first commits the last batch. Another server waits for that. Raises DatabaseInUseError when another server holds the
    lock, and DatabaseError when the folder is not writable.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        real = database.resolve()  # a link and its target have one lock
        self._path = real.with_name(f"{real.name}-lock")
        self.descriptor = -1

    def is_held(self) -> bool:
        """Whether another process holds the lock now. Leaves the holder's pid in the file, and makes no file."""
        try:
            self.descriptor = self._open_existing()
        except FileNotFoundError:
            return False
        try:
            return not self._acquire(fcntl.LOCK_SH)  # two that ask at the same moment do not see each other
        finally:
            os.close(self.descriptor)

    def __enter__(self) -> "DatabaseLock":
        if self._database.is_dir():
            raise DatabaseError(f"{self._database} cannot be used, it is a folder: name a file in it with --db.")
        self.descriptor = self._open()
        deadline = time.monotonic() + LAST_BATCH_TIMEOUT_S
        while not self._acquire():
            holder = os.pread(self.descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            if _is_running(holder) or time.monotonic() > deadline:
                os.close(self.descriptor)
                raise DatabaseInUseError(
                    f"{self._database} is in use by another trackd (pid {holder}): stop it, or name another file with "
                    "--db."
                )
            time.sleep(POLL_S)
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def _open(self) -> int:
        try:
            with contextlib.suppress(FileExistsError):
                return create(self._path)
            return self._open_existing()
        except OSError as error:
            raise self._unusable(error) from error

    def _open_existing(self) -> int:
        """Raises DatabaseError, and FileNotFoundError when there is no lock."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._no_lock("not a file")
        return descriptor

    def _no_lock(self, kind: str) -> DatabaseError:
        return DatabaseError(
            f"{self._database} cannot be used, {self._path} is {kind}: remove it, trackd makes its lock there."
        )

    def _unusable(self, error: OSError) -> DatabaseError:
        if error.errno == errno.ELOOP:
            return self._no_lock("a symbolic link")
        return DatabaseError(
            f"{self._database} cannot be used ({error.strerror}: {self._path.parent}): check that the folder "
            "exists and that this user may write to it."
        )

    def _acquire(self, kind: int = fcntl.LOCK_EX) -> bool:
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_running(pid: str) -> bool:
    """Whether a process with this pid runs; True when the pid is unreadable or the kernel does not answer."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True
    return True
