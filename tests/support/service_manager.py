"""A service manager as systemd is one: it listens, starts trackd with its sockets, and receives its notifications."""

import fcntl
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import TRACKD, Process

FIRST = 3
EXEC = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"]  # the pid of the process, which is not known before
WITHIN_S = 30.0


class ServiceManager:
    """`address` is that of the socket for notifications: a path, or a name that begins with `@` and has no file."""

    def __init__(self, address: str, listening: Sequence[socket.socket] = ()) -> None:
        self._address = address
        self._listening = listening
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._notified.settimeout(WITHIN_S)
        self._running: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for started in self._running:
            started.process.kill()
            started.process.communicate()
        for each in (self._notified, *self._listening):
            each.close()

    def start(self, db: Path, *arguments: str, **environment: str) -> Process:
        """Start `trackd serve` on a file, in its folder."""
        number = len(self._listening)
        handover = {
            "NOTIFY_SOCKET": self._address,
            "TRACKD_SERVER_DRAIN_MS": "0",
            **({"LISTEN_FDS": str(number)} if number else {}),
        }
        running = subprocess.Popen(
            [*EXEC, TRACKD, "serve", "--db", db, *arguments],
            cwd=db.parent,
            env=os.environ | handover | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=self._hand_over,
            pass_fds=range(FIRST, FIRST + number),
        )
        try:
            self._running.append(Process(db, running))
        except BaseException:
            running.kill()
            running.communicate()
            raise
        return self._running[-1]

    def _hand_over(self) -> None:
        """In the new process: the sockets have the descriptors from 3 on."""
        copies = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in self._listening]  # none is below them
        for number, copy in enumerate(copies, FIRST):
            os.dup2(copy, number)

    def next(self) -> list[str]:
        """The assignments of the next notification."""
        return self._notified.recv(4_096).decode().split("\n")

    def until(self, assignment: str) -> list[list[str]]:
        """All notifications up to one with this assignment."""
        received = [self.next()]
        while assignment not in received[-1]:
            received.append(self.next())
        return received
