"""Servers to measure: trackd as `trackd serve` starts it, its peers under uvicorn, and the one on Node."""

import contextlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.builds import HERE, ROOT, Build
from tests.bench.faults import BenchError
from tests.bench.payloads import SOURCE_ID, body
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.process import Process

NODE_PEER = Path(__file__).parent / "node" / "peer.js"
NODE_MODULES = Path(sys.prefix) / "node-peer" / "node_modules"  # `make bench` installs them
READY_S = 30.0
STOP_S = 30.0


@dataclass(frozen=True)
class Server:
    """`roots` are the processes that do its work, without their children; `others` the URLs of further nodes."""

    url: str
    roots: Sequence[int]
    others: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Trackd(Server):
    process: Process

    @property
    def pids(self) -> dict[str, int]:
        server = psutil.Process(self.process.process.pid)
        (writer,) = [child.pid for child in server.children() if {"writer", "database-writer"} & {*child.cmdline()}]
        return {"server": server.pid, "writer": writer}


@contextlib.contextmanager
def trackd(db: Path, build: Build = HERE, **environment: str) -> Iterator[Trackd]:
    """`trackd serve` with its defaults except for `environment`, on a file that may exist."""
    if not db.exists() or build.run("source", "show", SOURCE_ID, "--db", db, check=False) != 0:
        add = ("source", "add", "--name", "bench", "--id", SOURCE_ID, "--db", db)
        if build.run(*add, "--create", check=False) != 0:  # a commit of before this option makes the file unasked
            build.run(*add)
    with _serving(build, ("--db", db), db, environment) as server:
        yield server


@contextlib.contextmanager
def database_node(url: str, log: Path, build: Build = HERE, **environment: str) -> Iterator[Trackd]:
    """As `trackd`, on a PostgreSQL database. `log` is the path of the log, without its ending."""
    if build.run("source", "show", SOURCE_ID, "--store", url, check=False) != 0:
        build.run("source", "add", "--name", "bench", "--id", SOURCE_ID, "--store", url)
    with _serving(build, ("--store", url), log, environment) as server:
        yield server


@contextlib.contextmanager
def _serving(build: Build, store: Sequence[str | Path], path: Path, environment: Mapping[str, str]) -> Iterator[Trackd]:
    command: list[str | Path] = [build.trackd, "serve", "--port", "0", *store]
    with path.with_name(f"{path.name}.log").open("wb") as log:
        started = subprocess.Popen(
            command, cwd=path.parent, env=os.environ | environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    with _ended(started):
        try:
            process = Process(path, started)
        except RuntimeError as error:
            raise BenchError(f"trackd did not start: look into {path.name}.log. {_tail(path)}") from error
        yield Trackd(process.url, [started.pid], process=process)


@contextlib.contextmanager
def peer(name: str, folder: Path, *, helpers: Sequence[int] = (), **environment: str) -> Iterator[Server]:
    """One of peers.py; `helpers` are other processes that work for it."""
    port = free_port()
    environment = {"PEER": name, "DB": f"{folder / name}.db", **environment}
    command = [sys.executable, "-m", "uvicorn", "--factory", "tests.bench.peers:app", "--port", str(port)]
    with _started([*command, "--no-access-log", "--log-level", "warning"], environment, port) as started:
        yield Server(started.url, [*started.roots, *helpers])


@contextlib.contextmanager
def node_peer(folder: Path) -> Iterator[Server]:
    """The one of node/. Raises BenchError, with a sentence, when Node or its packages are missing."""
    if (node := shutil.which("node")) is None:
        raise BenchError("Node is not installed: `apt install nodejs npm`.")
    if not NODE_MODULES.exists():
        raise BenchError("the packages of tests/bench/node are not installed: `make bench` tries to.")
    port = free_port()
    environment = {"DB": f"{folder / 'node.db'}", "PORT": str(port), "NODE_PATH": str(NODE_MODULES)}
    with _started([node, str(NODE_PEER)], environment | {"NODE_ENV": "production"}, port) as started:
        yield started


@contextlib.contextmanager
def _started(command: Sequence[str], environment: dict[str, str], port: int) -> Iterator[Server]:
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    with _ended(process):
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        yield Server(url, [process.pid])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until a call is answered."""
    request = urllib.request.Request(
        f"{url}/track", body().replace("SESSION", "s-0").encode(), {"Content-Type": "application/json"}
    )

    silent = BenchError(f"The peer at {url} did not answer: what it wrote stands above.")

    def answers() -> bool:
        if process.poll() is not None:
            raise silent
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5):
            return True
        return False

    try:
        wait_until(answers, within_s=READY_S)
    except AssertionError:
        raise silent from None


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _tail(db: Path) -> str:
    return " ".join(db.with_name(f"{db.name}.log").read_text().splitlines()[-1:])
