"""Several `trackd serve` on one PostgreSQL database."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.forked_command import run_command
from tests.support.forked_server import start_server
from tests.support.payloads import SOURCE_ID
from tests.support.process import Process


class Nodes:
    """Starts nodes on free ports, and kills them all in the end. `token` is that of the first one."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.token = ""
        self.running: list[Process] = []

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
        self.running.append(node)
        self.token = self.token or node.token
        return node

    def kill(self) -> None:
        for node in self.running:
            node.process.send_signal(signal.SIGCONT)
            node.process.kill()
            node.process.communicate()
        self.running.clear()


@contextmanager
def nodes_on(url: str, folder: Path) -> Iterator[Nodes]:
    """Nodes on a database, which has a source then."""
    nodes = Nodes(url, folder)
    nodes.add_source()
    try:
        yield nodes
    finally:
        nodes.kill()
