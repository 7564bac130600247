"""A disk that fails when a test wants it to, under the SQLite of every process of a server.

`FaultyDisk` is the test's side: it plans faults, and makes the files that a power loss would leave. The other side is
a file system (VFS) of apsw, the default one of each Python process that has `FaultyDisk.environment`. A plan holds at
once for all of them, also for those that run already.

A failed sync loses what it should have made durable, as on Linux: programs still read it, but only bytes that are
written again are durable after a later sync.
"""

import contextlib
import errno
import fcntl
import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import apsw

from tests.support.disk_journal import DiskJournal, File, Record

Operation = Literal["write", "sync", "truncate"]

BASE = "unix"
KINDS: dict[int, File] = {apsw.SQLITE_OPEN_MAIN_DB: "database", apsw.SQLITE_OPEN_WAL: "log"}
SUFFIXES: dict[File, str] = {"database": "", "log": "-wal"}
CODES: dict[Operation, int] = {
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
}
SITE = """\
import sys
sys.path.append({root!r})
from tests.support.faulty_disk import install_for_good
install_for_good({folder!r})
"""


class FaultyDisk:
    """The disk of the database file at `path`. `folder` is an empty folder for its plans."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self._folder = folder
        folder.mkdir(exist_ok=True)
        root = Path(__file__).resolve().parents[2]
        (folder / "sitecustomize.py").write_text(SITE.format(root=str(root), folder=str(folder)))
        (folder / "path").write_text(str(path.resolve()))
        self.environment = {"PYTHONPATH": str(folder)}

    def fail(
        self, file: File, operation: Operation, error: int = errno.EIO, *, after: int = 0, times: int | None = 1
    ) -> None:
        """Let the next operation fail, or the one `after` so many; `times` in all, None for each until `mend`."""
        self._plan(file, operation, error=error, after=after, times=times)

    def slow(self, file: File, operation: Operation, seconds: float, *, times: int | None = 1) -> None:
        """Let an operation wait before it is done."""
        self._plan(file, operation, seconds=seconds, times=times)

    def mend(self) -> None:
        """Forget all faults that are planned."""
        with _locked(self._folder):
            (self._folder / "plan").unlink(missing_ok=True)

    def faults(self) -> list[tuple[str, str]]:
        """The file and operation of each fault that has happened."""
        faults = self._folder / "faults"
        lines = faults.read_text().splitlines() if faults.exists() else []
        return [(file, operation) for file, operation in map(str.split, lines)]

    def record(self) -> None:
        """Record all writes from now on, for `power_loss`. The file is closed at this moment, and durable."""
        for suffix in SUFFIXES.values():
            if (current := Path(f"{self.path}{suffix}")).exists():
                shutil.copy(current, f"{self._folder / 'durable'}{suffix}")
        (self._folder / "journal").touch()

    def power_loss(self, target: Path, rng: random.Random | None = None) -> None:
        """Write the files that a loss of power would leave now, as `target` and its log.

        What was written and not synced is lost, or with `rng` each sector of it by chance.
        """
        journal = DiskJournal(self._folder / "journal")
        end = journal.position()  # of both files
        for file, suffix in SUFFIXES.items():
            before = Path(f"{self._folder / 'durable'}{suffix}")
            content = before.read_bytes() if before.exists() else None
            image = journal.image(file, content, end, rng)
            if image is not None:
                Path(f"{target}{suffix}").write_bytes(image)

    def _plan(self, file: File, operation: Operation, **fault: Any) -> None:
        with _locked(self._folder):
            _write_plan(self._folder, [*_plan(self._folder), {"file": file, "operation": operation, **fault}])


def install(folder: str) -> "FaultyVFS":
    """Make the disk of this folder the default one of the process, until `unregister()` of the result."""
    return FaultyVFS(Path(folder))


def install_for_good(folder: str) -> None:
    """As `install`, also when the process initializes SQLite again, which makes its own file system the default one."""
    installed = [install(folder)]  # without a reference it would not stay
    initialize = apsw.initialize

    def initialize_and_install() -> None:
        initialize()
        installed.append(install(folder))

    setattr(apsw, "initialize", initialize_and_install)  # noqa: B010  mypy refuses an assignment


class FaultyVFS(apsw.VFS):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = DiskJournal(folder / "journal")
        self._path = (folder / "path").read_text()
        super().__init__("faulty", BASE, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  SQLite's name
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        for flag, kind in KINDS.items():
            if flags[0] & flag and path == self._path + SUFFIXES[kind]:
                return FaultyFile(name, flags, self._folder, kind)
        return PlainFile(BASE, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        if filename == self._path + SUFFIXES["log"]:
            self._journal.append(Record("log", "delete", self._journal.position()))


class PlainFile(apsw.VFSFile):
    def __init__(self, base: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(base, name, flags)
        self._is_read_only = bool(flags[1] & apsw.SQLITE_OPEN_READONLY)

    def xLock(self, level: int) -> None:  # noqa: N802
        """The error of a file that cannot be written, which SQLite passes over, apsw would raise."""
        if self._is_read_only and level == apsw.SQLITE_LOCK_EXCLUSIVE:
            raise apsw.BusyError
        super().xLock(level)


class FaultyFile(PlainFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], folder: Path, file: File) -> None:
        super().__init__(BASE, name, flags)
        self._folder = folder
        self._journal = DiskJournal(folder / "journal")
        self._file: File = file

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        self._meet_fault("write")
        at = self._journal.position()
        super().xWrite(data, offset)
        self._journal.append(Record(self._file, "write", at, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._meet_fault("truncate")
        at = self._journal.position()
        super().xTruncate(newsize)
        self._journal.append(Record(self._file, "truncate", at, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        at = self._journal.position()
        try:
            self._meet_fault("sync")
        except apsw.Error:
            self._journal.append(Record(self._file, "lost", at))
            raise
        super().xSync(flags)
        self._journal.append(Record(self._file, "synced", at))

    def _meet_fault(self, operation: Operation) -> None:
        """Wait, or raise SQLite's error, if that is planned."""
        if not (self._folder / "plan").exists():
            return
        with _locked(self._folder):
            fault = _next_fault(self._folder, self._file, operation)
            if fault is None:
                return
            with (self._folder / "faults").open("a") as faults:
                faults.write(f"{self._file} {operation}\n")
        if "seconds" in fault:
            time.sleep(fault["seconds"])
        elif fault["error"] == errno.ENOSPC and operation == "write":
            raise _error(apsw.SQLITE_FULL, "database or disk is full")
        else:
            raise _error(CODES[operation], "disk I/O error")


def _error(code: int, message: str) -> Exception:
    """As SQLite raises it."""
    error = apsw.exception_for(code)
    error.args = (message,)
    return error


def _next_fault(folder: Path, file: File, operation: Operation) -> dict[str, Any] | None:
    """Count the operation in the plan. Returns the fault that it meets, None for none."""
    plan = _plan(folder)
    for fault in plan:
        if (fault["file"], fault["operation"]) != (file, operation):
            continue
        met = fault.get("after", 0) == 0
        if not met:
            fault["after"] -= 1
        elif fault["times"] is not None:
            fault["times"] -= 1
        _write_plan(folder, [kept for kept in plan if kept["times"] != 0])
        return fault if met else None
    return None


def _plan(folder: Path) -> list[dict[str, Any]]:
    try:
        plan: list[dict[str, Any]] = json.loads((folder / "plan").read_text())
    except FileNotFoundError:
        return []
    return plan


def _write_plan(folder: Path, plan: list[dict[str, Any]]) -> None:
    new = folder / "plan.new"
    new.write_text(json.dumps(plan))
    if plan:
        new.replace(folder / "plan")
    else:
        (folder / "plan").unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock of all processes that use the folder."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
