"""Contestants loaded in turns, so that a drift of the machine affects all of them."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.builds import Build
from tests.bench.figures import Result, Round, Target, in_turn, in_turns, medians, ratio
from tests.bench.plan import Plan
from tests.bench.servers import Server
from tests.bench.wrk import Load, measure

WARM_UP = 1_000_000  # a seed of its own
AS_FAST = 0.97  # of another commit: less is slower by more than runs differ

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Contestant:
    name: str
    server: Server
    load: Load


Open = Callable[[Path, contextlib.ExitStack], Sequence[Contestant]]


def compete_anew(opened: Open, rounds: int, folder: Path, progress: Progress) -> dict[str, list[Round]]:
    """Each contestant's rounds, each of new processes, on files in a new folder beside `folder`.

    As long as a process runs it is faster or slower than another one of the same program, by up to a seventh (where its
    memory lies, and the seed of its hashes): rounds of one process would agree with each other, and tell little.
    """
    taken: dict[str, list[Round]] = {}
    for number in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as own,
            contextlib.ExitStack() as servers,
        ):
            progress(f"round {number + 1} of {rounds}: servers start")
            contestants = opened(Path(own), servers)
            for name, measured in compete(in_turn(contestants, number), 1, progress, first=number).items():
                taken.setdefault(name, []).extend(measured)
    return taken


def compete(
    contestants: Sequence[Contestant], rounds: int, progress: Progress, first: int = 0
) -> dict[str, list[Round]]:
    """Each contestant's rounds, beginning with number `first`. The first load of each is not counted."""
    by_name = {each.name: each for each in contestants}
    taken: dict[str, list[Round]] = {name: [] for name in by_name}
    for each in contestants:
        progress(f"{each.name}: warms up")
        measure(each.server, each.load, WARM_UP)
    for turn, name in enumerate(in_turns(list(by_name), rounds)):
        number = first + turn // len(by_name)
        progress(f"{name}: round {number + 1} of {first + rounds}")
        taken[name].append(measure(by_name[name].server, by_name[name].load, number))
    return taken


def result(
    scenario: str,
    question: str,
    rounds: dict[str, list[Round]],
    reference: str,
    targets: Sequence[Target],
    notes: Sequence[str] = (),
) -> Result:
    return Result(
        scenario=scenario,
        question=question,
        reference=reference,
        medians=medians(rounds, reference),
        targets=tuple(targets),
        notes=tuple(notes),
        rounds=rounds,
    )


def against(plan: Plan, rounds: Mapping[str, Sequence[Round]], what: str = "") -> list[Target]:
    """Calls per second of this build to those of another one, if one is measured; `what` as in `contestant_name`."""
    here, *others = (contestant_name(plan, build, what) for build in plan.builds)
    return [Target(f"{here} of {other}", ratio(rounds[here], rounds[other]), AS_FAST) for other in others]


def contestant_name(plan: Plan, build: Build, what: str = "") -> str:
    """Builds are named when there is more than one, or nothing else to name."""
    return what if what and len(plan.builds) == 1 else f"{build.name}, {what}" if what else build.name
