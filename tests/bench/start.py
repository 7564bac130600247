"""How long commands take to start."""

import contextlib
import os
import signal
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.bench.builds import Build
from tests.bench.contest import Progress
from tests.bench.faults import BenchError
from tests.bench.figures import Result, Target, ratio_by_turns
from tests.bench.plan import Plan
from tests.bench.servers import READY_S
from tests.support.polling import wait_until
from tests.support.ports import free_port

SERVE_S, VERSION_S = 0.7, 0.3
AS_SLOW = 1.03  # to another commit


def start(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    progress("starts commands")
    starts: dict[str, tuple[Callable[[Build, int], float], float]] = {
        "serve, ready, on a new file": (lambda build, turn: _serve(build, folder / f"{build.name}-{turn}.db"), SERVE_S),
        "serve, ready, on a file that exists": (lambda build, _: _serve(build, folder / f"{build.name}-0.db"), SERVE_S),
        "--version, ended": (lambda build, _: _version(build), VERSION_S),
    }
    targets = []
    for what, (measure, limit) in starts.items():
        taken: dict[str, list[float]] = {build.name: [] for build in plan.builds}
        for turn in range(plan.starts):
            for build in plan.builds:
                taken[build.name].append(measure(build, turn))
        here, *others = taken
        targets += [
            Target(f"{name} {what}", statistics.median(took), limit, "s", most=True) for name, took in taken.items()
        ]
        targets += [
            Target(f"{here} to {other}, {what}", ratio_by_turns(taken[here], taken[other]), AS_SLOW, most=True)
            for other in others
        ]
    question = f"from the command to the answer, medians of {plan.starts}"
    return [Result(scenario="start", question=question, targets=tuple(targets))]


def _serve(build: Build, db: Path) -> float:
    """Until `GET /ready` is answered 200."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [build.trackd, "serve", "--port", str(port), "--db", db],
        cwd=db.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TRACKD_SERVER_DRAIN_MS": "0"},
    )
    not_ready = BenchError("trackd serve did not become ready: `make run` shows why.")

    def taken() -> float | None:
        if process.poll() is not None:
            raise not_ready
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=READY_S):
            return time.perf_counter() - began
        return None

    try:
        return wait_until(taken, within_s=READY_S)
    except AssertionError:
        raise not_ready from None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _version(build: Build) -> float:
    began = time.perf_counter()
    subprocess.run([build.trackd, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
