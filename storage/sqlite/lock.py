"""A lock that keeps a second server off a database file. The kernel releases it when the server's processes end."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from trackd.storage.sqlite.connection import DatabaseError

LAST_BATCH_TIMEOUT_S = 10.0
POLL_S = 0.02


class DatabaseInUseError(DatabaseError):
    """Another process holds the lock."""


class DatabaseLock:
    """A context manager that holds the lock of a database file.

    The lock is a file beside the database, `NAME-lock`, which contains the pid of the holder. A process that inherits
    `descriptor` holds the lock too: when a server is killed, its writer process first commits the last batch. Another
    server waits for that. Raises DatabaseInUseError when another server holds the lock, and DatabaseError when the
    folder is not writable.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        real = database.resolve()  # a link and its target have one lock
        self._path = real.with_name(f"{real.name}-lock")
        self.descriptor = -1

    def is_held(self) -> bool:
        """Whether another process holds the lock now. Leaves the holder's pid in the file, and makes no file."""
        try:
            self.descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error) from error
        try:
            return not self._acquire(fcntl.LOCK_SH)  # two that ask at the same moment do not see each other
        finally:
            os.close(self.descriptor)

    def __enter__(self) -> "DatabaseLock":
        if self._database.is_dir():
            raise DatabaseError(f"{self._database} cannot be used, it is a folder: name a file in it with --db.")
        try:
            self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unusable(error) from error
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

    def _unusable(self, error: OSError) -> DatabaseError:
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
