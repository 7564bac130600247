"""The scenarios of a run, by name, each with its contestants."""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from tests.bench.builds import HERE
from tests.bench.clients import BARE, BROWSERS, OWN_IDS, PROXIED, TIMED_IDS, Clients, bare
from tests.bench.code_lines import code_lines
from tests.bench.contest import Contestant, Progress, against, compete, compete_anew, contestant_name, result
from tests.bench.faults import BenchError
from tests.bench.feeds import feeds
from tests.bench.figures import Result, Target, ratio
from tests.bench.filled_file import Filling, fill
from tests.bench.machine import has_hyperthreads
from tests.bench.memory import memory
from tests.bench.nodes import nodes
from tests.bench.open_loop import open_loop
from tests.bench.plan import Plan
from tests.bench.postgres import postgres
from tests.bench.servers import Server, node_peer, peer, trackd
from tests.bench.start import start
from tests.bench.wrk import Load

MANY_PROFILES, FEW_ACTIVE = 100_000, 1_000
SESSIONS, EVENTS = 5, 10  # of each profile in the big file
MANY_EVENTS = 100
QUESTIONS = {  # of the scenarios with peers
    "throughput": "bare clients, whose calls are all alike",
    "browsers": "500 browsers, each with its headers, bodies of different lengths, random UUIDs for sessions",
    "proxied": "the same browsers behind a reverse proxy",
}
BARE_CLIENTS = "trackd, bare clients"
OF_ECHO = {True: 0.8, False: 0.6}  # with hyperthreads, and on cores of their own: see docs/performance.md

Scenario = Callable[[Plan, Path, Progress], Sequence[Result]]


def beside_peers(name: str, clients: Clients, plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    """All servers with the same clients; other clients than bare ones beside trackd's own rate with bare ones."""
    notes: list[str] = []

    def opened(own: Path, stack: contextlib.ExitStack) -> list[Contestant]:
        servers = _open_servers(plan, own, stack, notes)
        contestants = [Contestant(server, each, plan.load(clients=clients)) for server, each in servers.items()]
        if clients is not BARE:
            contestants.append(Contestant(BARE_CLIENTS, servers[HERE.name], plan.load()))
        return contestants

    rounds = compete_anew(opened, plan.rounds, folder, progress)
    targets = [
        Target("of echo", ratio(rounds["trackd"], rounds["echo"]), OF_ECHO[has_hyperthreads()]),
        Target("times lockdb", ratio(rounds["trackd"], rounds["lockdb"]), 4.0),
        *against(plan, rounds),
    ]
    if BARE_CLIENTS in rounds:
        targets.append(Target("of bare clients", ratio(rounds["trackd"], rounds[BARE_CLIENTS]), 0.9))
    question = f"{QUESTIONS[name]}; {plan.profiles:,} profiles, 3 events a call, answered after the commit, rules on"
    return [result(name, question, rounds, "echo", targets, [*dict.fromkeys(notes)])]


def _open_servers(plan: Plan, folder: Path, opened: contextlib.ExitStack, notes: list[str]) -> dict[str, Server]:
    """trackd and its peers, by name. A note for each peer that is left out, and what else readers need to know."""
    servers: dict[str, Server] = {name: opened.enter_context(peer(name, folder)) for name in ("echo", "lockdb")}
    for number, build in enumerate(plan.builds):
        servers[build.name] = opened.enter_context(trackd(folder / f"trackd-{number}.db", build))
    try:
        cluster = opened.enter_context(postgres(folder))
        helpers = cluster.pids
        servers["rowlock"] = opened.enter_context(peer("rowlock", folder, helpers=helpers, DATABASE_URL=cluster.url))
        if helpers:
            notes.append("The CPU of rowlock is with that of its PostgreSQL server.")
    except BenchError as error:
        notes.append(f"rowlock is left out: {error}")
    try:
        servers["node"] = opened.enter_context(node_peer(folder))
    except BenchError as error:
        notes.append(f"node is left out: {error}")
    return servers


def hot(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    many, one = f"{plan.profiles:,} profiles", "1 profile"
    loads = {many: plan.load(), one: plan.load(profiles=1)}
    return [_loads("hot", "all connections on one profile", loads, 0.9, plan, folder, progress)]


def own_ids(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    clients = {
        "events without ids": BARE,
        "events with ids": OWN_IDS,
        "events with ids that begin with the time": TIMED_IDS,
    }
    loads = {what: plan.load(clients=each) for what, each in clients.items()}
    question = (
        "each event has an id of its client's own, a random UUID or one of version 7, which is looked up and kept"
    )
    return [_loads("own-ids", question, loads, 0.8, plan, folder, progress)]


def _loads(
    name: str, question: str, loads: Mapping[str, Load], least: float, plan: Plan, folder: Path, progress: Progress
) -> Result:
    """Loads on one server, the second of which is to reach `least` of the first."""
    usual, special, *_ = loads

    def opened(own: Path, stack: contextlib.ExitStack) -> list[Contestant]:
        contestants = []
        for number, build in enumerate(plan.builds):
            server = stack.enter_context(trackd(own / f"trackd-{number}.db", build))
            contestants += [Contestant(contestant_name(plan, build, what), server, loads[what]) for what in loads]
        return contestants

    rounds = compete_anew(opened, plan.rounds, folder, progress)
    first, second = (contestant_name(plan, HERE, what) for what in (usual, special))
    targets = [Target(f"of {usual}", ratio(rounds[second], rounds[first]), least), *against(plan, rounds, special)]
    return result(name, f"{question}; the same server", rounds, first, targets)


def cold(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    file = folder / "cold.db"
    progress(f"makes {MANY_PROFILES:,} profiles")
    fill(file, Filling(MANY_PROFILES, 1, 3))
    active = {"TRACKD_ACTORS_MAX_ACTIVE_PROFILES": str(FEW_ACTIVE)}
    few, many = f"{plan.profiles:,} profiles", f"{MANY_PROFILES:,} profiles"

    def opened(own: Path, stack: contextlib.ExitStack) -> list[Contestant]:
        contestants = []
        for number, build in enumerate(plan.builds):
            copy = shutil.copyfile(file, own / f"cold-{number}.db")
            warm = stack.enter_context(trackd(own / f"warm-{number}.db", build))
            cold = stack.enter_context(trackd(copy, build, **active))
            contestants.append(Contestant(contestant_name(plan, build, few), warm, plan.load()))
            contestants.append(Contestant(contestant_name(plan, build, many), cold, plan.load(profiles=MANY_PROFILES)))
        return contestants

    rounds = compete_anew(opened, plan.rounds, folder, progress)
    few_name, many_name = (contestant_name(plan, HERE, what) for what in (few, many))
    targets = [
        Target(f"of {few}", ratio(rounds[many_name], rounds[few_name]), 0.65),
        *against(plan, rounds, many),
    ]
    question = f"{MANY_PROFILES:,} profiles that are on disk, {FEW_ACTIVE:,} of them active"
    return [result("cold", question, rounds, few_name, targets)]


def big_file(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    made = big_file_made(plan, progress)
    progress(f"copies {made}")
    shutil.copyfile(made, folder / "big.db")
    with trackd(folder / "empty.db") as empty, trackd(folder / "big.db") as big:
        empty_file = Contestant("empty file", empty, plan.load())
        full = Contestant(f"{plan.big_file_events:,} events", big, plan.load())
        rounds = compete([empty_file, full], plan.rounds, progress)
    size = made.stat().st_size / 1e9
    targets = [Target("of the empty file", ratio(rounds[full.name], rounds[empty_file.name]), 0.85)]
    question = (
        f"a file of {size:.1f} GB with {plan.big_file_events:,} events in it; the load's profiles are among its own"
    )
    return [result("big-file", question, rounds, empty_file.name, targets)]


def big_file_made(plan: Plan, progress: Progress) -> Path:
    """Made once for all runs with this --out."""
    file = plan.out / f"events-{plan.big_file_events}.db"
    if not file.exists():
        each = SESSIONS * EVENTS
        filling = Filling(plan.big_file_events // each, SESSIONS, EVENTS)
        if filling.total != plan.big_file_events:
            raise BenchError(f"The number of events in the big file must be a multiple of {each}.")
        progress(f"makes a file of {filling.total:,} events, for this run and later ones")
        fill(file, filling)
    return file


def events_per_call(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    return [_events(plan, events, folder, progress) for events in (1, MANY_EVENTS)]


def _events(plan: Plan, events: int, folder: Path, progress: Progress) -> Result:
    load = plan.load(clients=bare(events))

    def opened(own: Path, stack: contextlib.ExitStack) -> list[Contestant]:
        servers: dict[str, Server] = {name: stack.enter_context(peer(name, own)) for name in ("echo", "lockdb")}
        for number, build in enumerate(plan.builds):
            servers[build.name] = stack.enter_context(trackd(own / f"trackd-{number}.db", build))
        return [Contestant(name, server, load) for name, server in servers.items()]

    rounds = compete_anew(opened, plan.rounds, folder, progress)
    targets = against(plan, rounds)
    found = result(f"events-per-call-{events}", f"{events} event{'s' * (events > 1)} in each call", rounds, "echo", [])
    per_second = {each.name: each.per_second * events for each in found.medians}
    notes = [f"{name}: {value:,.0f} events a second" for name, value in per_second.items()]
    if events == MANY_EVENTS:
        limit = min(40_000.0, 10 * per_second["lockdb"])
        what = "events a second (40,000, or 10 times lockdb when that is less)"
        targets.append(Target(what, per_second["trackd"], limit))
    return replace(found, notes=tuple(notes), targets=tuple(targets))


SCENARIOS: dict[str, Scenario] = {
    "throughput": partial(beside_peers, "throughput", BARE),
    "browsers": partial(beside_peers, "browsers", BROWSERS),
    "proxied": partial(beside_peers, "proxied", PROXIED),
    "own-ids": own_ids,
    "hot": hot,
    "cold": cold,
    "big-file": big_file,
    "events-per-call": events_per_call,
    "open-loop": open_loop,
    "feeds": feeds,
    "nodes": nodes,
    "memory": memory,
    "start": start,
    "lines": code_lines,
}

COMPARED = tuple(name for name in SCENARIOS if name not in ("big-file", "open-loop", "feeds"))  # with another commit
