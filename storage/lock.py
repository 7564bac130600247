"""One server for each database file: a lock that the kernel lets go of when its process ends, however it ends."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from trackd.storage.database import DatabaseError


class DatabaseLock:
    """Held as a context. It lies beside the file (`NAME-lock`) and names the pid of its holder.

    Raises DatabaseError when another process holds it, or when the folder cannot be written to.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        real = database.resolve()  # two names of one file are one file
        self._path = real.with_name(f"{real.name}-lock")
        self._descriptor = -1

    def __enter__(self) -> "DatabaseLock":
        if self._database.is_dir():
            raise DatabaseError(f"{self._database} cannot be used, it is a folder: name a file in it with --db.")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DatabaseError(
                f"{self._database} cannot be used ({error.strerror}: {self._path.parent}): check that the folder is "
                "there and that this user may write to it."
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise DatabaseError(
                f"{self._database} is in use by another trackd (pid {holder}): stop it, or name another file with --db."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
