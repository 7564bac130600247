"""What a service manager receives: at the start, the stop and a reload, and for each state of the store."""

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.process import TRACKD, Process
from tests.support.service_manager import ServiceManager
from trackd.actors.tracker import Tracker
from trackd.cli.service_manager import READY, REFUSING, ReportedLife
from trackd.config.service_manager import Handover
from trackd.config.settings import Server
from trackd.storage.errors import StoreError

PATH = "notify.sock"
WATCHDOG_S = 0.05
PING = "WATCHDOG=1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # whole paths may be too long for a socket
    return tmp_path


def test_it_is_ready_when_ready_is_answered_200_reloads_and_stops(folder: Path) -> None:
    with ServiceManager(f"@trackd-test-{free_port()}") as manager:  # below, the socket is a file
        server = manager.start(folder / "trackd.db", "--port", "0", WATCHDOG_USEC="100000")
        assert manager.next() == ["READY=1", f"STATUS={READY}"]
        assert httpx.get(f"{server.url}/ready").status_code == 200
        manager.until(PING)
        server.process.send_signal(signal.SIGHUP)
        [reloading] = [each for each in manager.until("READY=1") if each[0].startswith("RELOADING")]
        assert reloading[0] == "RELOADING=1"
        assert reloading[1].startswith("MONOTONIC_USEC=")
        server.process.terminate()
        stopping = manager.until("STOPPING=1")[-1]
        assert stopping == ["STOPPING=1", "STATUS=stops", "EXTEND_TIMEOUT_USEC=50000000"]
        assert server.process.wait(30) == 0


def test_a_start_that_fails_is_never_ready(folder: Path) -> None:
    (folder / "trackd.db").write_text("no database")
    with ServiceManager(PATH) as manager:
        with pytest.raises(RuntimeError, match="did not start"):
            manager.start(folder / "trackd.db", "--port", "0")
        manager._notified.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.next()


def test_it_serves_all_sockets_that_are_handed_over_and_leaves_their_files(folder: Path) -> None:
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("trackd.sock")
    unix.listen()
    tcp = socket.create_server(("127.0.0.1", 0))
    with ServiceManager(PATH, [unix, tcp]) as manager:
        server = manager.start(folder / "trackd.db", TRACKD_SERVER_PORT="1")
        url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
        assert f"is ready at unix:{folder}/trackd.sock, {url}, database" in server.greeting[-1]
        assert httpx.get(f"{url}/ready").status_code == 200
        with httpx.Client(transport=httpx.HTTPTransport(uds="trackd.sock")) as client:
            assert client.get("http://trackd/ready").status_code == 200
        assert server.stop() == 0
        assert (folder / "trackd.sock").is_socket()


def test_a_socket_that_cannot_be_served_is_named(folder: Path) -> None:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    with (
        ServiceManager(PATH, [datagrams]) as manager,
        pytest.raises(RuntimeError, match="service manager: metrics is no stream of TCP or Unix: use ListenStream="),
    ):
        manager.start(folder / "trackd.db", LISTEN_FDNAMES="metrics")


@pytest.fixture
def activated(folder: Path) -> Iterator[str]:
    """The URL of a server that systemd's own tool starts at the first connection."""
    if shutil.which("systemd-socket-activate") is None:
        pytest.skip("systemd-socket-activate is not installed")
    port = free_port()
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", str(TRACKD), "serve", "--db", "trackd.db"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "Listening on" in running.stderr.readline()
        with socket.create_connection(("127.0.0.1", port)):
            yield Process(folder / "trackd.db", running).url
        running.terminate()


def test_it_takes_the_sockets_of_systemd(activated: str) -> None:
    assert httpx.get(f"{activated}/ready").status_code == 200


class Watched:
    """A tracker on a store whose faults the test chooses, and the notifications about it."""

    def __init__(self) -> None:
        self.store: FaultyStore = Make.store(kind=FaultyStore)
        self.tracker = Tracker(self.store)
        self._received = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._received.bind(PATH)
        self._received.setblocking(False)
        self.life = ReportedLife(Handover(PATH, WATCHDOG_S), self.tracker, Server())

    def close(self) -> None:
        self._received.close()

    def received(self) -> list[str]:
        """All assignments that have arrived and were not read yet."""
        found: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found += self._received.recv(4_096).decode().split("\n")
        return found

    async def until(self, assignment: str) -> None:
        await eventually(lambda: assignment in self.received(), assignment)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    await watched.tracker.start()
    yield watched
    watched.store.fail.clear()
    watched.store.release()
    await watched.tracker.stop()
    watched.close()


async def test_it_is_not_ready_before_the_store_takes_writes(watched: Watched) -> None:
    watched.tracker.store_writable(False)
    watched.life.look()
    assert watched.received() == []
    watched.tracker.store_writable(True)
    await watched.until("READY=1")


async def test_a_commit_that_hangs_stops_the_watchdog_until_it_ends(watched: Watched) -> None:
    watched.life.look()
    await watched.until(PING)
    watched.store.hold()
    answer = watched.tracker.ask(Make.call("S"))
    await eventually(lambda: watched.tracker.commit_age_s > WATCHDOG_S)
    watched.received()
    await eventually(lambda: watched.tracker.commit_age_s > 5 * WATCHDOG_S)
    assert PING not in watched.received()
    watched.store.release()
    await watched.until(PING)
    await answer


async def test_nothing_is_reported_after_the_tracker_has_stopped(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server may run in the same event loop, as one that is embedded."""
    scheduled = list[tuple[object, ...]]()
    watched.life.look()
    await watched.until(PING)
    await watched.tracker.stop()
    watched.received()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda *arguments: scheduled.append(arguments))
    watched.life.look()
    assert (watched.received(), scheduled) == ([], [])


async def test_a_full_disk_is_reported_and_no_reason_to_be_killed(watched: Watched) -> None:
    watched.life.look()
    await watched.until(PING)
    watched.store.fail["commit"] = StoreError("the disk is full")
    await watched.tracker.ask(Make.call("S"))
    await watched.until(f"STATUS={REFUSING}")
    await watched.until(PING)
    watched.store.fail.clear()
    await watched.until(f"STATUS={READY}")
