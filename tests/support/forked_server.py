"""`trackd serve` without the half second in which Python imports it, forked as the commands of `forked_command`."""

import contextlib
import io
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

from tests.support.forked_command import FORKED, run_main
from tests.support.process import TRACKD, Running


def start_server(arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> Running:
    """Start `trackd serve` in a folder, with these variables in its environment besides those of the tests.

    Variables for Python itself need a process of their own, which reads them when it starts.
    """
    everything = os.environ | environment
    if not any(name.startswith("PYTHON") for name in environment):
        return ForkedServer(arguments, folder, everything)
    pipe = subprocess.PIPE
    return subprocess.Popen([TRACKD, *arguments], env=everything, cwd=folder, stdout=pipe, stderr=pipe, text=True)


class ForkedServer:
    """A running server, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
        self.args = [str(TRACKD), *map(str, arguments)]
        (out, written_out), (err, written_err) = FORKED.Pipe(duplex=False), FORKED.Pipe(duplex=False)
        self._process = FORKED.Process(
            target=_main, args=(self.args, folder, dict(environment), written_out, written_err), daemon=True
        )
        self._process.start()
        for written in (written_out, written_err):
            written.close()
        self.stdout, self.stderr = _text_of(out), _text_of(err)
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal; None while the server runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait until the server has ended; returns what it wrote to stdout and stderr and nobody has read yet."""
        texts = dict.fromkeys((self.stdout, self.stderr), "")

        def read(stream: io.TextIOWrapper) -> None:
            with contextlib.closing(stream):
                texts[stream] = stream.read()

        readers = [Thread(target=read, args=(stream,), daemon=True) for stream in texts if not stream.closed]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:  # a child of the server may hold its streams for a moment longer
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return texts[self.stdout], texts[self.stderr]


def _text_of(pipe: Connection) -> io.TextIOWrapper:
    with contextlib.closing(pipe):
        return os.fdopen(os.dup(pipe.fileno()), encoding="utf-8")


def _main(words: list[str], folder: Path, environment: dict[str, str], out: Connection, err: Connection) -> None:
    stdin = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((stdin, out.fileno(), err.fileno())):
        os.dup2(descriptor, number)
    os.close(stdin)
    out.close()
    err.close()
    run_main(words, folder, environment)
