"""One load with wrk, and its measurement."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from msgspec.structs import replace

from tests.bench.clients import BARE, Clients
from tests.bench.faults import BenchError
from tests.bench.figures import Round
from tests.bench.processes import cpu_s
from tests.bench.servers import Server

SCRIPT = Path(__file__).with_name("track.lua")
MISSING = "wrk is not installed, and sends the calls: `apt install wrk` (Debian, Ubuntu) or `brew install wrk` (macOS)."
FOREVER_S = 86_400


@dataclass(frozen=True)
class Load:
    """`walk`: profiles one after the other, in place of a pseudo-random order."""

    seconds: int
    connections: int
    profiles: int
    clients: Clients = BARE
    walk: bool = False


def check_wrk() -> None:
    if shutil.which("wrk") is None:
        raise BenchError(MISSING)


def measure(server: Server, load: Load, seed: int) -> Round:
    """Rounds with the same seed send the same requests."""
    before = cpu_s(server.roots)
    with Running(server, load, seed) as running:
        found = running.result()
    cpu = cpu_s(server.roots) - before
    return replace(found, cpu_us=cpu * 1e6 / max(1, found.calls))


class Running:
    """A load that runs while something else is measured."""

    def __init__(self, server: Server, load: Load, seed: int) -> None:
        check_wrk()
        self._folder = tempfile.TemporaryDirectory(prefix="trackd-bench-wrk-")
        heads, bodies = (Path(self._folder.name) / name for name in ("heads", "bodies"))
        heads.write_text("".join(f"{head}\r\n\r\n" for head in load.clients.heads), newline="")
        bodies.write_text("\n".join(load.clients.bodies))
        environment = {
            "HEADS": str(heads),
            "BODIES": str(bodies),
            "PROFILES": str(load.profiles),
            "SEED": str(seed + 1),
            "IDS_SEED": str(crc32(repr((seed, load)).encode())),  # a server stores no event whose id it has
            "UUIDS": str(int(load.clients.uuids)),
            "TIMED": str(int(load.clients.timed)),
            "WALK": str(int(load.walk)),
        }
        nodes = [server.url, *server.others]
        if server.others:
            environment["NODES"] = " ".join(url.removeprefix("http://") for url in nodes)
        threads = f"-t{len(nodes)}"
        command = ["wrk", threads, f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", "30s", "--latency"]
        self._process = subprocess.Popen(
            [*command, "-s", SCRIPT, f"{server.url}/track"],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def result(self) -> Round:
        """The measurement, once it has ended: all but the processor time. Raises BenchError."""
        output, _ = self._process.communicate()
        return read_output(output)


def read_output(output: str) -> Round:
    """Raises BenchError when it has no result."""
    found = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if found is None:
        raise BenchError(f"wrk did not measure anything: {output.strip() or 'it printed nothing'}")
    calls, micros, p50, p99, p999, errors = map(int, found.split()[1:])
    return Round(
        calls=calls,
        seconds=micros / 1e6,
        p50_ms=p50 / 1e3,
        p99_ms=p99 / 1e3,
        p999_ms=p999 / 1e3,
        errors=errors,
        cpu_us=0.0,
    )
