"""A real `trackd serve` seen from outside: raw bytes in, answers and rows out, memory and open files."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.database import rows
from tests.support.payloads import payload
from tests.support.polling import wait_until
from tests.support.process import Process
from tests.support.raw_http import address, exchange, request

MEMORY_SLACK_KB = 16_000  # kept by allocators; faults are repeated until a leak would take more


def raw_call(*types: str, session: str = "s", headers: tuple[str, ...] = (), body: bytes | None = None) -> bytes:
    """A request to /track, with an event of each type unless `body` is given."""
    return request(json.dumps(payload(session, *types)).encode() if body is None else body, *headers)


class RealServer:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.db, self.url, self.pid = process.db, process.url, process.process.pid
        self.address = address(process.url)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def exchange(self, sent: bytes) -> bytes:
        """All bytes until the server closes the connection."""
        return exchange(self.url, sent)

    def call(self, *types: str, session: str = "s", **more: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/track", json=payload(session, *types, **more), timeout=30)

    def events(self) -> list[dict[str, Any]]:
        return rows(self.db, "SELECT id, type, seq, session_id FROM event ORDER BY number")

    def pids(self) -> list[int]:
        """The server and its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def open_files(self) -> int:
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids())

    def memory_kb(self) -> int:
        """Without mapped files: a page of a library counts for more when other programs that share it end."""
        texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids())
        return sum(int(re.findall(r"^Anonymous:\s+(\d+) kB", text, re.M)[0]) for text in texts)

    @contextlib.contextmanager
    def unharmed(self, slack_kb: int = MEMORY_SLACK_KB) -> Iterator[None]:
        """After the block, open files and memory are at their level before it, and calls are answered."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for number in range(50):
                assert client.post("/track", json=payload(f"before-{number}", "before")).status_code == 200
            files, memory = self.open_files(), self.memory_kb()
        files -= 1  # the client's own connection
        yield
        with httpx.Client(base_url=self.url, timeout=30) as client:
            assert client.post("/track", json=payload("after", "after")).status_code == 200
            # The server notices closed connections a little later.
            wait_until(lambda: self.open_files() <= files + 1, "the number of open files is as before")
        wait_until(lambda: self.memory_kb() <= memory + slack_kb, f"memory is below {memory + slack_kb} kB again")

    def log(self, code: int = 0) -> str:
        """Stop the server, which exits with `code`; returns its whole log."""
        self.process.process.terminate()
        _, log = self.process.process.communicate(timeout=30)
        assert self.process.process.returncode == code, log
        return log
