"""Feeds beside the load: how many calls they cost, and how long after its answer the events of a call come to one."""

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from tests.bench.contest import WARM_UP, Progress, result
from tests.bench.feed_probe import Probe, Running
from tests.bench.figures import Measure, Result, Round, Target, in_turns, medians, ratio
from tests.bench.open_loop import load
from tests.bench.plan import Plan
from tests.bench.servers import Trackd, trackd
from tests.bench.subscribers import Following, followed
from tests.bench.wrk import measure

FEEDS = 100
LEAST, MOST_MS = 0.95, 50.0
WARM_UP_S = 2.5  # the load starts, and its first calls make all profiles: for that long it is more than half
NONE, ALL, SESSIONS = "no feeds", f"{FEEDS} feeds, half of them slow", f"{FEEDS} feeds, each of one session"
ONE = "1 feed of everything"


def feeds(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    with trackd(folder / "trackd.db") as server:
        rounds = _rounds(plan, server, progress)
        measures, targets = _arrivals(plan, server, folder, progress)
    ratios = [Target(f"{name}, of {NONE}", ratio(rounds[name], rounds[NONE]), LEAST) for name in (ALL, SESSIONS)]
    question = "the same load with and without feeds, and at half of it how long events take to a feed of everything"
    found = result("feeds", question, rounds, NONE, [*ratios, *targets])
    return [replace(found, measures=tuple(measures))]


def _rounds(plan: Plan, server: Trackd, progress: Progress) -> dict[str, list[Round]]:
    taken: dict[str, list[Round]] = {name: [] for name in (NONE, ALL, SESSIONS)}
    progress("warms up")
    measure(server, plan.load(), WARM_UP)
    for turn, name in enumerate(in_turns(list(taken), plan.rounds)):
        number = turn // len(taken)
        progress(f"{name}: round {number + 1} of {plan.rounds}")
        with _feeds(name, server):
            taken[name].append(measure(server, plan.load(), number))
    return taken


@contextlib.contextmanager
def _feeds(name: str, server: Trackd) -> Iterator[None]:
    """The feeds that a name promises are followed meanwhile."""
    queries = {ALL: [""] * FEEDS, SESSIONS: [f"session=s-{number}" for number in range(FEEDS)]}.get(name, [])
    with contextlib.ExitStack() as opened:
        if queries:
            slow = FEEDS // 2 if name == ALL else 0
            opened.enter_context(followed(Following(server.url, server.process.token, queries, slow)))
        yield


def _arrivals(plan: Plan, server: Trackd, folder: Path, progress: Progress) -> tuple[list[Measure], list[Target]]:
    top = []
    for number in range(plan.rounds):
        progress(f"as fast as it can: round {number + 1} of {plan.rounds}")
        top.append(load(server, None, plan, folder, number))
    rate = medians({"top": top}, "top")[0].per_second / 2
    measures, targets = [], []
    for name in (ONE, SESSIONS):
        taken: list[float] = []
        for number in range(plan.rounds):
            progress(f"{rate:,.0f} calls a second beside {name}: round {number + 1} of {plan.rounds}")
            with _feeds(name, server), Running(Probe(server.url, server.process.token, WARM_UP_S)) as running:
                load(server, rate, plan, folder, number)
                taken += running.result()
        what = f"from the answer to the feed at {rate:,.0f} calls/s, {name}"
        measures.append(Measure(what, statistics.median(taken), "ms", {"calls": len(taken), "p99": p99(taken)}))
        targets.append(Target(f"p99 {what}", p99(taken), MOST_MS, "ms", most=True))
    return measures, targets


def p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]
