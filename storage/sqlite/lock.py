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
from trackd.storage.files.system_errors import REMEDIES, reason_and_remedy
from trackd.storage.sqlite.connection import DatabaseError, check_path
from trackd.storage.sqlite.database_file import check_one_name, create_missing, not_writable
from trackd.storage.sqlite.lock_content import read_lines, write_lines
from trackd.storage.sqlite.opening import side_file

LAST_BATCH_TIMEOUT_S = 10.0
OTHER_NAME_TIMEOUT_S = 0.2  # the two locks of a process that ends are not released at the same moment
LOOK_TIMEOUT_S = 0.2  # a command that asks whether the lock is held takes it for a moment
POLL_S = 0.02


class DatabaseInUseError(DatabaseError):
    """Another process holds the lock, and can be reached through the file."""


class NotLockableError(DatabaseError):
    """The file system has no locks."""


class MissingSideFileError(DatabaseError):
    """A server runs on the file, and a file that SQLite keeps beside it is missing."""


class DatabaseLock:
    """A context manager that holds the lock of a database file.

    There are two locks. That on a file beside the database, `NAME-lock`, which contains the pid of the holder, and the
    inode of the log of the last server; it is overwritten, so it may be no link. And that on the database file itself,
    which a server may have open under another name, after the file was moved. A process that inherits `descriptors`
    holds both too: when a server is killed, its writer process first commits the last batch. Another server waits for
    that.

    Enter it before this process opens the database, and leave it after the last connection is closed: the end of any
    descriptor of the file drops the locks that SQLite has in this process. With `create` a missing file is made, empty;
    `has_created` is true then. Without it, the lock of a missing file is the first one alone.

    Raises DatabaseInUseError when another server holds the lock beside the file, and DatabaseError when one has the
    file open under another name, when the file has two names, or when it cannot be locked or written.
    """

    def __init__(self, database: Path, *, create: bool = False) -> None:
        self._database = database
        check_path(database)
        self._real = database.resolve()  # a link and its target have one lock
        self._path = self._real.with_name(f"{self._real.name}-lock")
        self._create = create
        self.has_created = False
        self._descriptors: list[int] = []

    @property
    def descriptors(self) -> tuple[int, ...]:
        return tuple(self._descriptors)

    def note_log(self, synchronous: str) -> None:
        """Write which file the log is, and how it is synced, behind the pid. For the holder of the lock."""
        with contextlib.suppress(OSError):  # a hint for those who come after an unclean end
            inode = side_file(self._real, "-wal").stat().st_ino
            write_lines(self._descriptors[0], str(os.getpid()), f"{inode} {synchronous}")

    def is_held(self) -> bool:
        """Whether another process holds the lock beside the file. Leaves the pid in it, and makes no file."""
        try:
            descriptor = self._open_existing(os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not self._acquire(descriptor, fcntl.LOCK_SH)  # two that ask at once do not see each other
        finally:
            os.close(descriptor)

    def __enter__(self) -> "DatabaseLock":
        if self._database.is_dir():
            raise DatabaseError(f"{self._database} cannot be used, it is a folder: name a file in it with --db.")
        try:
            self._lock_beside()
            self._lock_file()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget_log()
        self._release()

    def _forget_log(self) -> None:
        """Drop the note of a log that is gone: the next one may be that of a command, which makes no note."""
        if self._descriptors and not os.path.lexists(side_file(self._real, "-wal")):
            with contextlib.suppress(OSError):
                write_lines(self._descriptors[0], str(os.getpid()), "")

    def _release(self) -> None:
        """First the lock of the file: with that alone it would look like a file that is in use under another name."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _lock_beside(self) -> None:
        descriptor = self._open()
        self._descriptors.append(descriptor)
        began = time.monotonic()
        while not self._acquire(descriptor):
            holder = read_lines(descriptor)[0] or "unknown"
            if _is_running(holder) and time.monotonic() > began + LOOK_TIMEOUT_S:
                raise DatabaseInUseError(
                    f"{self._database} is in use by another trackd (pid {holder}): stop it, or name another file with "
                    "--db."
                )
            if time.monotonic() > began + LAST_BATCH_TIMEOUT_S:
                raise DatabaseInUseError(
                    f"{self._database} is in use by a trackd in another container, or by a process of one that has "
                    f"ended (pid {holder}): stop it, `fuser {self._path}` shows its own pid, or name another file with "
                    "--db."
                )
            time.sleep(POLL_S)
        try:
            write_lines(descriptor, str(os.getpid()), read_lines(descriptor)[1])
        except OSError as error:  # the disk is full
            raise DatabaseError(
                f"{self._database} cannot be used, {self._path} cannot be written {reason_and_remedy(error)}."
            ) from error

    def _lock_file(self) -> None:
        if self._create:
            self.has_created = create_missing(self._database)
        check_one_name(self._database)
        try:
            descriptor = os.open(self._real, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        except OSError as error:
            raise not_writable(self._database, error) from error
        self._descriptors.append(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DatabaseError(f"{self._database} cannot be used, it is not a file: name another with --db.")
        deadline = time.monotonic() + OTHER_NAME_TIMEOUT_S
        while not self._acquire(descriptor):
            if time.monotonic() > deadline:
                raise self._in_use_elsewhere()
            time.sleep(POLL_S)
        if self._hinders_sqlite(descriptor):
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def check_free_elsewhere(self) -> None:
        """Raise DatabaseError when a server has the file open, and the files beside it are not those of the server.

        For commands that work while the server runs, before they open the file: under another name, or after the log or
        its index was removed, they would make another log.
        """
        try:
            if self.is_held():
                self._check_side_files()
                return
            descriptor = os.open(self._real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except MissingSideFileError:
            raise
        except (OSError, DatabaseError):
            return  # the command meets the fault itself, or needs no lock
        try:
            deadline = time.monotonic() + OTHER_NAME_TIMEOUT_S
            while not self._acquire(descriptor, fcntl.LOCK_SH) and not self.is_held():
                if time.monotonic() > deadline:
                    raise self._in_use_elsewhere()
                time.sleep(POLL_S)
        except NotLockableError:
            return  # no server can run on it; a copy there can be read
        finally:
            os.close(descriptor)

    def _check_side_files(self) -> None:
        """A server has both, and before it has opened the file none, unless a kill has left them."""
        log, index = side_file(self._real, "-wal"), side_file(self._real, "-shm")
        deadline = time.monotonic() + OTHER_NAME_TIMEOUT_S
        while log.exists() != index.exists() and self.is_held():
            if time.monotonic() > deadline:
                raise MissingSideFileError(
                    f"{self._database} is in use by a trackd, and {(index if log.exists() else log).name} beside it "
                    "is missing: wait until the server is ready, or if it was removed, start the server again."
                )
            time.sleep(POLL_S)

    def _in_use_elsewhere(self) -> DatabaseError:
        return DatabaseError(
            f"{self._database} is in use by another trackd, which has it open under another name or lost its lock "
            f"file: stop that one (`fuser {self._database}` shows its pid), or use the name that it was started with."
        )

    def _open(self) -> int:
        try:
            with contextlib.suppress(FileExistsError):
                return create(self._path)
            return self._open_existing(os.O_RDWR)
        except OSError as error:
            raise self._unusable(error) from error

    def _open_existing(self, access: int) -> int:
        """Raises DatabaseError, and FileNotFoundError when there is no lock."""
        try:
            descriptor = os.open(self._path, access | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(error) from error
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
            return descriptor
        os.close(descriptor)
        raise self._no_lock("a hard link" if stat.S_ISREG(found.st_mode) else "not a file")

    def _no_lock(self, kind: str) -> DatabaseError:
        return DatabaseError(
            f"{self._database} cannot be used, {self._path} is {kind}: remove it, trackd makes its lock there."
        )

    def _unusable(self, error: OSError) -> DatabaseError:
        if error.errno == errno.ELOOP:
            return self._no_lock("a symbolic link")
        if error.errno == errno.EISDIR:
            return self._no_lock("a folder")
        place, remedy = self._path.parent, "check that the folder exists and that this user may write to it"
        if os.path.lexists(self._path):
            place, remedy = self._path, "check that this user may write to it, or remove it when no trackd runs"
        if error.errno not in (errno.EACCES, errno.EPERM):
            remedy = REMEDIES.get(error.errno or 0, remedy)
        return DatabaseError(f"{self._database} cannot be used ({error.strerror}: {place}): {remedy}.")

    def _acquire(self, descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._not_lockable(error) from error
        return True

    def _not_lockable(self, error: OSError) -> NotLockableError:
        return NotLockableError(
            f"{self._database} cannot be locked ({error.strerror}): move it to a file system with locks, such as a "
            "local disk."
        )

    def _hinders_sqlite(self, descriptor: int) -> bool:
        """Whether the lock of the file excludes SQLite's own locks, which are of another kind.

        On NFS both are one kind, and on macOS. There the lock beside the file has to do.
        """
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)  # SQLite never locks the first byte
        except (BlockingIOError, PermissionError):
            return True
        except OSError as error:
            raise self._not_lockable(error) from error
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1)
        return False


def _is_running(pid: str) -> bool:
    """Whether a process with this pid runs; True when the pid is unreadable or the kernel does not answer."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True
    return True
