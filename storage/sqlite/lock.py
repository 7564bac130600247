"""One server for each database file: a lock that the kernel lets go of when its processes end, however they end."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from trackd.storage.sqlite.connection import DatabaseError

LAST_BATCH_TIMEOUT_S = 10.0
POLL_S = 0.02


class DatabaseLock:
    """Held as a context. It lies beside the file (`NAME-lock`) and names the pid of its holder.

    A process that inherits `descriptor` holds it too: when a server is killed, its writer process still commits what
    it was given. That is waited for. Raises DatabaseError when another server holds it, or when the folder cannot be
    written to.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        real = database.resolve()  # two names of one file are one file
        self._path = real.with_name(f"{real.name}-lock")
        self.descriptor = -1

    def __enter__(self) -> "DatabaseLock":
        if self._database.is_dir():
            raise DatabaseError(f"{self._database} cannot be used, it is a folder: name a file in it with --db.")
        try:
            self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DatabaseError(
                f"{self._database} cannot be used ({error.strerror}: {self._path.parent}): check that the folder is "
                "there and that this user may write to it."
            ) from error
        deadline = time.monotonic() + LAST_BATCH_TIMEOUT_S
        while not self._is_taken():
            holder = os.pread(self.descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            if _is_running(holder) or time.monotonic() > deadline:
                os.close(self.descriptor)
                raise DatabaseError(
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

    def _is_taken(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_running(pid: str) -> bool:
    """Also where that cannot be told."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True
    return True
