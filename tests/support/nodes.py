"""Several `trackd serve` on one PostgreSQL database."""

import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.support.forked_command import run_command
from tests.support.forked_server import start_server
from tests.support.payloads import SOURCE_ID
from tests.support.process import Process

LOG_LINES = 10_000


class Nodes:
    """Starts nodes on free ports, and kills them all in the end. `token` is that of the first one."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.token = ""
        self.running: list[Process] = []
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        """The last lines of all nodes."""
        self._readers: list[threading.Thread] = []

    def add_source(self) -> None:
        command = ["source", "add", "--id", SOURCE_ID, "--name", "test", "--store", self.url]
        assert run_command(command, self.folder, {}).returncode == 0

    def start(self, port: int = 0, **environment: str) -> Process:
        running = start_server(["serve", "--port", str(port), "--store", self.url], self.folder, environment)
        try:
            node = Process(self.folder, running)
        except BaseException:
            running.kill()
            running.communicate()
            raise
        assert running.stdout is not None
        assert running.stderr is not None
        for stream in (running.stdout, running.stderr):  # a pipe that is full stops a node
            self._readers.append(threading.Thread(target=self._read, args=(stream,), daemon=True))
            self._readers[-1].start()
        self.running.append(node)
        self.token = self.token or node.token
        return node

    def _read(self, stream: IO[str]) -> None:
        with stream:
            self.log.extend(stream)

    def kill(self) -> None:
        for node in self.running:
            node.process.send_signal(signal.SIGCONT)
            node.process.kill()
            node.process.wait()
        self.running.clear()
        for reader in self._readers:
            reader.join()


@contextmanager
def nodes_on(url: str, folder: Path) -> Iterator[Nodes]:
    """Nodes on a database, which has a source then."""
    nodes = Nodes(url, folder)
    nodes.add_source()
    try:
        yield nodes
    finally:
        nodes.kill()
