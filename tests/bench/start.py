"""How long commands take to start."""

import contextlib
import os
import signal
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.bench.contest import Say
from tests.bench.faults import BenchError
from tests.bench.figures import Result, Target
from tests.bench.plan import Plan
from tests.bench.servers import READY_S, free_port
from tests.support.process import TRACKD

POLL_S = 0.002
SERVE_S, VERSION_S = 0.7, 0.3


def start(plan: Plan, folder: Path, say: Say) -> list[Result]:
    say("starts commands")
    new = [_serve(folder / f"{number}.db") for number in range(plan.starts)]
    there = [_serve(folder / "0.db") for _ in range(plan.starts)]
    version = [_version() for _ in range(plan.starts)]
    found = {
        "trackd serve, ready, on a new file": (statistics.median(new), SERVE_S),
        "trackd serve, ready, on a file that is there": (statistics.median(there), SERVE_S),
        "trackd --version, ended": (statistics.median(version), VERSION_S),
    }
    return [
        Result(
            scenario="start",
            question=f"from the command to the answer, medians of {plan.starts}",
            targets=tuple(Target(what, value, limit, "s", most=True) for what, (value, limit) in found.items()),
        )
    ]


def _serve(db: Path) -> float:
    """Until `GET /ready` is answered 200."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [TRACKD, "serve", "--port", str(port), "--db", db],
        cwd=db.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TRACKD_SERVER_DRAIN_MS": "0"},
    )
    try:
        while time.perf_counter() - began < READY_S and process.poll() is None:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=READY_S),
            ):
                return time.perf_counter() - began
            time.sleep(POLL_S)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    raise BenchError("trackd serve did not become ready: try `make run`, it says why.")


def _version() -> float:
    began = time.perf_counter()
    subprocess.run([TRACKD, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
