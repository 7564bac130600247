"""A disk whose writes, fsyncs and truncations fail, once and for a while, under a real server with clients.

Nothing that was answered may be lost: not after a restart, and not when power is lost, which takes away what a failed
fsync left behind.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.disk_journal import File
from tests.support.faulty_disk import FaultyDisk, Operation
from tests.support.payloads import SOURCE_ID
from tests.support.polling import wait_until
from trackd.core.documents import Source
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.sources import Sources

Start = Callable[..., RealServer]

PAUSE_S = 0.07  # leaves moments without a call: the log is copied then

FAULTS: list[tuple[File, Operation]] = [
    ("database", "sync"),
    ("log", "sync"),
    ("database", "write"),
    ("log", "write"),
    ("database", "truncate"),
    ("log", "truncate"),
]


class Clients:
    """Three clients that send events with ids until they are stopped. `answered` has the `seq` of each.

    Now and then one of them erases a profile: the log is copied after that.
    """

    def __init__(self, server: RealServer) -> None:
        self._server = server
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(3)]
        self.answered: dict[str, int] = {}
        self.refused = 0
        self.wrong: list[str] = []

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        token = {"authorization": f"Bearer {self._server.process.token}"}
        count = 0
        with httpx.Client(base_url=self._server.url, timeout=30) as client:
            while not self._stopped.wait(PAUSE_S):
                count += 1
                self._send(client, f"{number}-{count}", f"s-{number}-{count % 5}")
                if count % 20 == 10:
                    answer = self._send(client, f"{number}-{count}-erased", f"erased-{number}-{count}", noted=False)
                    if answer.status_code == 200:
                        client.delete(f"/profile/{answer.json()['profile']['id']}", headers=token)

    def _send(self, client: httpx.Client, event: str, session: str, *, noted: bool = True) -> httpx.Response:
        events = [{"type": "t", "id": event, "properties": {"text": "x" * 2_000}}]
        answer = client.post("/track", json={"source": {"id": SOURCE_ID}, "session": {"id": session}, "events": events})
        if answer.status_code == 503:
            self.refused += 1
        elif answer.status_code != 200:
            self.wrong.append(answer.text)
        elif noted:
            [self.answered[event]] = answer.json()["debugging"]["events"]["seq"]
        return answer


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    with Sources(disk.path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    disk.record()
    return disk


def check(db: Path, answered: dict[str, int]) -> None:
    """The file is sound and has every answered event."""
    faults = [
        (found.check.name, found.first) for found in audit(db, checks(rules_change_counters=False)) if found.first
    ]
    assert faults == []
    stored = {row["id"]: row["seq"] for row in rows(db, "SELECT id, seq FROM event")}
    assert {event: stored.get(event) for event in answered} == answered


def image(disk: FaultyDisk) -> Path:
    """The file that a loss of power leaves."""
    path = disk.path.with_name("image.db")
    for file in path.parent.glob("image.db*"):
        file.unlink()
    disk.power_loss(path)
    return path


def meet(disk: FaultyDisk, server: RealServer, clients: Clients, fault: tuple[File, Operation], times: int) -> None:
    """Let the fault happen, and wait until calls are answered again."""
    happened = len(disk.faults())
    disk.fail(*fault, times=times)
    wait_until(lambda: len(disk.faults()) >= happened + times, f"{fault} happens {times} times")
    answered = len(clients.answered)
    wait_until(lambda: len(clients.answered) > answered + 10, f"calls are answered after {fault}")
    wait_until(lambda: httpx.get(f"{server.url}/ready").status_code == 200, "the server is ready")


def test_an_fsync_that_fails_once_loses_no_answered_call(start: Start, disk: FaultyDisk) -> None:
    server = start(**disk.environment)
    with Clients(server) as clients:
        for fault in FAULTS[:2]:
            meet(disk, server, clients, fault, 1)
    assert clients.refused > 0
    check(image(disk), clients.answered)
    log = server.log()
    assert log.count("the store does not take writes") == 2
    assert "the store does not take writes, calls are answered 503: a checkpoint failed, disk I/O error" in log
    assert "Traceback" not in log
    assert clients.wrong == []
    check(server.db, clients.answered)
    check(image(disk), clients.answered)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 4])
def test_operations_that_fail_for_a_while_lose_no_answered_call(start: Start, disk: FaultyDisk, times: int) -> None:
    server = start(**disk.environment)
    with Clients(server) as clients:
        for fault in FAULTS:
            meet(disk, server, clients, fault, times)
            answered = dict(clients.answered)
            check(image(disk), answered)
    assert "Traceback" not in server.log()
    assert clients.wrong == []
    check(server.db, clients.answered)
    check(image(disk), clients.answered)


def test_a_stop_and_a_start_on_a_disk_that_fails_lose_no_answered_call(start: Start, disk: FaultyDisk) -> None:
    server = start(**disk.environment)
    with Clients(server) as clients:
        wait_until(lambda: len(clients.answered) > 30, "calls are answered")
    disk.fail("database", "sync")
    assert "the write-ahead log stays beside the file" in server.log()
    assert disk.faults() == [("database", "sync")]
    check(image(disk), clients.answered)
    server = start(**disk.environment)
    assert server.call("t").status_code == 200
    server.log()
    assert not server.db.with_name("trackd.db-wal").exists()
    check(server.db, clients.answered)
    check(image(disk), clients.answered)


@pytest.mark.slow
def test_a_server_does_not_start_on_a_disk_that_fails(start: Start, disk: FaultyDisk) -> None:
    server = start(**disk.environment)
    assert server.call("t").status_code == 200
    for pid in reversed(server.pids()):
        os.kill(pid, signal.SIGKILL)
    server.process.process.wait()
    disk.fail("database", "sync", times=None)
    with pytest.raises(RuntimeError, match=r"The server cannot start: a checkpoint failed, disk I/O error"):
        start(**disk.environment)
    disk.mend()
    start(**disk.environment).log()
    assert len(rows(disk.path, "SELECT 1 FROM event")) == 1
    assert len(rows(image(disk), "SELECT 1 FROM event")) == 1
