"""A `trackd serve` in a process of its own."""

import re
import signal
import sys
from pathlib import Path
from typing import IO, Any, Protocol

TRACKD = Path(sys.executable).with_name("trackd")


def writer_pid(server: int) -> int:
    """The pid of the writer process that the main thread of a process started."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text()
    (pid,) = [pid for pid in children.split() if b"\0writer\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return int(pid)


def has_ended(pid: int) -> bool:
    """Whether the process has ended, also when nobody waited for it yet: a zombie has no command line."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def catches(pid: int, number: int) -> bool:
    """Whether the process handles the signal: the default would end it."""
    [caught] = re.findall(r"^SigCgt:\s+([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


class Running(Protocol):
    """What tests use of a process: `subprocess.Popen` has it, and a server that is forked."""

    pid: int

    @property
    def stdout(self) -> IO[str] | None: ...
    @property
    def stderr(self) -> IO[str] | None: ...
    @property
    def returncode(self) -> int | Any: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]: ...


class Process:
    """A running `trackd serve`. `token` is the secret that it made, empty when it made none."""

    def __init__(self, db: Path, process: Running) -> None:
        self.db = db
        self.process = process
        self.greeting: list[str] = []
        self.token = ""
        for line in iter(self._stdout.readline, ""):
            self.greeting.append(line)
            if match := re.search(r"Bearer (trackd_[\w-]+)", line):
                self.token = match[1]
            if match := re.search(r"is ready at (\S+),", line):
                self.url = match[1]
                return
        raise RuntimeError(f"trackd did not start: {process.stderr and process.stderr.read()}")

    @property
    def _stdout(self) -> Any:
        assert self.process.stdout is not None
        return self.process.stdout

    def writer_pid(self) -> int:
        """The pid of the process that commits."""
        return writer_pid(self.process.pid)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it with SIGTERM, or kill it; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)
