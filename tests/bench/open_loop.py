"""How long calls take at half of the rate that trackd can take, whether answered or not."""

import json
import subprocess
from pathlib import Path

from tests.bench.contest import Progress, result
from tests.bench.faults import BenchError
from tests.bench.figures import Result, Round, Target, medians
from tests.bench.payloads import EVENTS, SOURCE_ID
from tests.bench.plan import Plan
from tests.bench.processes import cpu_s
from tests.bench.servers import Server, trackd
from tests.support.process import TRACKD

LONGER = 2  # rounds than others: of 1,000 calls only one is slower than p99.9


def open_loop(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    with trackd(folder / "trackd.db") as server:
        top = []
        for number in range(plan.rounds):
            progress(f"as fast as it can: round {number + 1} of {plan.rounds}")
            top.append(load(server, None, plan, folder, number))
        rate = medians({"top": top}, "top")[0].per_second / 2
        rounds = []
        for number in range(plan.rounds):
            progress(f"{rate:,.0f} calls a second: round {number + 1} of {plan.rounds}")
            rounds.append(load(server, rate, plan, folder, number))
    name = f"{rate:,.0f} calls/s"
    taken = {name: rounds}
    found = medians(taken, name)[0]
    targets = [
        Target("p99", found.p99_ms, 8.0, "ms", most=True),
        Target("p99.9", found.p999_ms, 25.0, "ms", most=True),
    ]
    question = "open loop at half of what the same load reaches; latency counts from when a call was due"
    return [result("open-loop", question, taken, name, targets)]


def load(server: Server, rate: float | None, plan: Plan, folder: Path, seed: int) -> Round:
    """With `trackd load`, whose calls have event ids of their own. No rate: as fast as it can."""
    file = folder / "load.json"
    options = {
        "source": SOURCE_ID,
        "clients": plan.connections,
        "duration": plan.seconds * LONGER,
        "profiles": plan.profiles,
        "sessions-per-profile": 1,
        "events-per-call": EVENTS,
        "hot": 0,
        "retries": 0,
        "first-calls": 0,
        "seed": seed,
        "json": file,
    }
    if rate is not None:
        options["rate"] = f"{rate:.0f}"
    before = cpu_s(server.roots)
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    ran = subprocess.run([TRACKD, "load", server.url, *arguments], capture_output=True, text=True, check=False)
    cpu = cpu_s(server.roots) - before
    if ran.returncode != 0:
        raise BenchError(f"trackd load failed: {ran.stderr or ran.stdout}")
    report = json.loads(file.read_bytes())
    answered = report["statuses"].get("200", 0)
    return Round(
        calls=report["answers"],
        seconds=report["duration_s"],
        p50_ms=report["latency_ms"]["p50"],
        p99_ms=report["latency_ms"]["p99"],
        p999_ms=report["latency_ms"]["p99.9"],
        errors=sum(report["statuses"].values()) - answered + report["connections_lost"] + report["never_sent"],
        cpu_us=cpu * 1e6 / max(1, report["answers"]),
    )
