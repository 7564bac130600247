"""The scenarios of a run, by name, each with its contestants."""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from tests.bench.builds import Build
from tests.bench.contest import Contestant, Progress, compete, result
from tests.bench.faults import BenchError
from tests.bench.figures import Result, Round, Target, ratio
from tests.bench.filled_file import Filling, fill
from tests.bench.memory import memory
from tests.bench.open_loop import open_loop
from tests.bench.plan import Plan
from tests.bench.postgres import postgres
from tests.bench.servers import Server, peer, trackd
from tests.bench.start import start

MANY_PROFILES, FEW_ACTIVE = 100_000, 1_000
SESSIONS, EVENTS = 5, 10  # of each profile in the big file
MANY_EVENTS = 100
AS_FAST = 0.97  # of another commit: less is slower by more than runs differ

Scenario = Callable[[Plan, Path, Progress], Sequence[Result]]


def throughput(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    notes: list[str] = []
    with contextlib.ExitStack() as open_servers:
        enter = open_servers.enter_context
        servers: dict[str, Server] = {
            "echo": enter(peer("echo", folder)),
            "lockdb": enter(peer("lockdb", folder)),
        }
        for number, build in enumerate(plan.builds):
            servers[build.name] = enter(trackd(folder / f"trackd-{number}.db", build))
        try:
            cluster = enter(postgres(folder))
            url = cluster.url
            servers["rowlock"] = enter(peer("rowlock", folder, helpers=cluster.pids, DATABASE_URL=url))
            notes.append("The CPU of rowlock is with that of its PostgreSQL server." if cluster.pids else "")
        except BenchError as error:
            notes.append(f"rowlock is left out: {error}")
        contestants = [Contestant(name, server, plan.load()) for name, server in servers.items()]
        rounds = compete(contestants, plan.rounds, progress)
    targets = [
        Target("of echo", ratio(rounds["trackd"], rounds["echo"]), 0.55),
        Target("of echo, the aim", ratio(rounds["trackd"], rounds["echo"]), 0.65),
        Target("times lockdb", ratio(rounds["trackd"], rounds["lockdb"]), 4.0),
        *against(plan, rounds),
    ]
    question = f"{plan.profiles:,} profiles, 3 events a call, answered after the commit (synchronous = FULL), rules on"
    return [result("throughput", question, rounds, "echo", targets, [note for note in notes if note])]


def against(plan: Plan, rounds: Mapping[str, Sequence[Round]], what: str = "") -> list[Target]:
    """Calls per second of this build to those of another one, if one is measured; `what` as in `contestant_name`."""
    here, *others = (contestant_name(plan, build, what) for build in plan.builds)
    return [Target(f"{here} of {other}", ratio(rounds[here], rounds[other]), AS_FAST) for other in others]


def contestant_name(plan: Plan, build: Build, what: str = "") -> str:
    """Builds are named when there is more than one, or nothing else to name."""
    return what if what and len(plan.builds) == 1 else f"{build.name}, {what}" if what else build.name


def hot(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    few, one = f"{plan.profiles:,} profiles", "1 profile"
    contestants = []
    with contextlib.ExitStack() as open_servers:
        for number, build in enumerate(plan.builds):
            server = open_servers.enter_context(trackd(folder / f"trackd-{number}.db", build))
            contestants.append(Contestant(contestant_name(plan, build, few), server, plan.load()))
            contestants.append(Contestant(contestant_name(plan, build, one), server, plan.load(profiles=1)))
        rounds = compete(contestants, plan.rounds, progress)
    many_name, one_name = contestants[0].name, contestants[1].name
    targets = [
        Target("of many profiles", ratio(rounds[one_name], rounds[many_name]), 0.9),
        *against(plan, rounds, one),
    ]
    return [result("hot", "all connections on one profile, same server", rounds, many_name, targets)]


def cold(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    file = folder / "cold.db"
    progress(f"makes {MANY_PROFILES:,} profiles")
    fill(file, Filling(MANY_PROFILES, 1, 3))
    active = {"TRACKD_ACTORS_MAX_ACTIVE_PROFILES": str(FEW_ACTIVE)}
    few, many = f"{plan.profiles:,} profiles", f"{MANY_PROFILES:,} profiles"
    contestants = []
    with contextlib.ExitStack() as open_servers:
        enter = open_servers.enter_context
        for number, build in enumerate(plan.builds):
            own = shutil.copyfile(file, folder / f"cold-{number}.db")
            warm, cold = enter(trackd(folder / f"warm-{number}.db", build)), enter(trackd(own, build, **active))
            contestants.append(Contestant(contestant_name(plan, build, few), warm, plan.load()))
            contestants.append(Contestant(contestant_name(plan, build, many), cold, plan.load(profiles=MANY_PROFILES)))
        rounds = compete(contestants, plan.rounds, progress)
    few_name, many_name = contestants[0].name, contestants[1].name
    targets = [
        Target("of few profiles", ratio(rounds[many_name], rounds[few_name]), 0.6),
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
    with (
        peer("echo", folder) as echo,
        peer("lockdb", folder) as lockdb,
        trackd(folder / "trackd.db") as server,
    ):
        servers = {"echo": echo, "lockdb": lockdb, "trackd": server}
        return [_events(plan, servers, events, progress) for events in (1, MANY_EVENTS)]


def _events(plan: Plan, servers: dict[str, Server], events: int, progress: Progress) -> Result:
    load = plan.load(events=events)
    contestants = [Contestant(name, server, load) for name, server in servers.items()]
    rounds = compete(contestants, plan.rounds, progress)
    found = result(f"events-per-call-{events}", f"{events} event{'s' * (events > 1)} in each call", rounds, "echo", [])
    per_second = {each.name: each.per_second * events for each in found.medians}
    notes = [f"{name}: {value:,.0f} events a second" for name, value in per_second.items()]
    limit = min(40_000.0, 10 * per_second["lockdb"])
    target = Target("events a second (40,000, or 10 times lockdb when that is less)", per_second["trackd"], limit)
    return replace(found, notes=tuple(notes), targets=(target,) if events == MANY_EVENTS else ())


SCENARIOS: dict[str, Scenario] = {
    "throughput": throughput,
    "hot": hot,
    "cold": cold,
    "big-file": big_file,
    "events-per-call": events_per_call,
    "open-loop": open_loop,
    "memory": memory,
    "start": start,
}

COMPARED = ("throughput", "hot", "cold", "memory", "start")  # with another commit
