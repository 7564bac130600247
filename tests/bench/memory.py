"""The memory of trackd with the most profiles that it keeps in memory, and whether it grows with further calls."""

import re
import time
import urllib.request
from pathlib import Path

from msgspec.structs import replace

from tests.bench.builds import Build
from tests.bench.contest import Progress
from tests.bench.faults import BenchError
from tests.bench.figures import Measure, Result, Target
from tests.bench.plan import Plan
from tests.bench.processes import rss_mb, shared_mb
from tests.bench.servers import Trackd, trackd
from tests.bench.wrk import FOREVER_S, Load, Running

ACTIVE_PROFILES = 10_000
SAMPLES = 10
POLL_S = 0.1
AS_SMALL = 1.03  # to another commit
GROWTH = 1.05  # of the last sample, to the first one with all profiles


def memory(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    """A result for each build, one after the other. That of this build has the ratio to the others."""
    found = [_memory(plan, build, folder / f"trackd-{number}.db", progress) for number, build in enumerate(plan.builds)]
    here, *others = found
    targets = [
        worse_by(f"to {build.name}, at the end", here.measures[-1].value, other.measures[-1].value)
        for build, other in zip(plan.builds[1:], others, strict=True)
    ]
    return [replace(here, targets=(*here.targets, *targets)), *others]


def worse_by(what: str, value: float, other: float) -> Target:
    """The ratio of this build's figure to the other's, where less is better."""
    return Target(what, value / other, AS_SMALL, most=True)


def _memory(plan: Plan, build: Build, db: Path, progress: Progress) -> Result:
    """Samples at the start, with all profiles active, and at each tenth of the calls after that."""
    samples = []
    with trackd(db, build) as server:
        load = Load(FOREVER_S, plan.connections, ACTIVE_PROFILES, walk=True)
        progress("starts")
        start = _sample(server, "at the start")
        with Running(server, load, seed=0) as running:
            for index in range(SAMPLES + 1):
                calls = 2 * ACTIVE_PROFILES + index * plan.memory_calls // SAMPLES
                _wait(server, running, calls)
                progress(f"{calls:,} calls")
                samples.append(_sample(server, f"after {calls:,} calls, {_active(server):,.0f} profiles active"))
            errors = _metric(server, "trackd_calls_total", 'status="200"', others=True)
    targets = [
        Target(f"with {ACTIVE_PROFILES:,} active profiles", samples[0].value, 120.0, "MB", most=True),
        Target(f"after {plan.memory_calls:,} calls more", samples[-1].value, 120.0, "MB", most=True),
        Target("growth over these calls", samples[-1].value / samples[0].value, GROWTH, most=True),
    ]
    question = "resident memory of the server and of the process that commits; pages that both have count once"
    notes = [f"{errors:.0f} calls were not answered 200"] if errors else []
    return Result(
        scenario="memory",
        question=f"{build.name}: {question}" if len(plan.builds) > 1 else question,
        measures=(start, *samples),
        targets=tuple(targets),
        notes=tuple(notes),
    )


def _sample(server: Trackd, when: str) -> Measure:
    parts = {name: rss_mb(pid) for name, pid in server.pids.items()}
    parts["of both"] = -shared_mb(server.pids.values())
    return Measure(when, sum(parts.values()), "MB", parts)


def _wait(server: Trackd, running: Running, calls: int) -> None:
    while _metric(server, "trackd_calls_total", 'status="200"') < calls:
        if not running.runs:
            running.result()
            raise BenchError("wrk ended too early.")
        time.sleep(POLL_S)


def _active(server: Trackd) -> float:
    return _metric(server, "trackd_active_profiles", "")


def _metric(server: Trackd, name: str, labels: str, *, others: bool = False) -> float:
    """The sum of the numbers of this metric that have these labels; with `others` of those that do not."""
    request = urllib.request.Request(
        f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.process.token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    numbers = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return sum(float(number) for other, number in numbers if (labels not in other) == others)
