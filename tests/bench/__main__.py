"""`make bench`: trackd measured together with others, scenario by scenario.

make bench ARGS="--only throughput hot"     some scenarios; --quick to see that they work
make bench ARGS="--against REV"             this commit and another one, in turns
make bench ARGS=pieces                      what each piece of a call costs
make bench ARGS=publish                     puts the figures of the last run into README and docs/
make profile                                where the time goes under load
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.status import Status

from tests.bench.builds import HERE, ROOT, build
from tests.bench.faults import BenchError
from tests.bench.figures import Result
from tests.bench.machine import IN_MEMORY, file_system, machine
from tests.bench.pieces import pieces
from tests.bench.plan import Plan
from tests.bench.plot import bars
from tests.bench.profiling import profile
from tests.bench.publish import publish
from tests.bench.report import document, markdown, show, show_ratios
from tests.bench.scenarios import COMPARED, SCENARIOS
from tests.bench.wrk import check_wrk

AGAINST = ROOT / "build" / "against"


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["scenarios", "pieces", "profile", "publish"], default="scenarios")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5, help="of each contestant, in turns  [default: 5]")
    parser.add_argument("--seconds", type=int, default=3, help="that a round takes  [default: 3]")
    parser.add_argument("--connections", type=int, default=64, help="[default: 64]")
    parser.add_argument("--profiles", type=int, default=1_000, help="that call  [default: 1,000]")
    parser.add_argument("--big-file-events", type=int, default=5_000_000, help="[default: 5,000,000]")
    parser.add_argument("--memory-calls", type=int, default=1_000_000, help="[default: 1,000,000]")
    parser.add_argument("--against", metavar="REV", help="another commit, built in build/against and measured in turns")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "bench", help="for results  [default: build/bench]"
    )
    parser.add_argument("--data", type=Path, default=Path("/var/tmp"), help="for databases  [default: /var/tmp]")
    parser.add_argument("--quick", action="store_true", help="only to see that it works: the figures mean nothing")
    parsed = parser.parse_args(arguments)
    if parsed.quick:
        parsed.rounds, parsed.seconds, parsed.big_file_events, parsed.memory_calls = 1, 1, 200_000, 20_000
    return parsed


def plan_of(parsed: argparse.Namespace) -> Plan:
    return Plan(
        out=parsed.out.resolve(),
        rounds=parsed.rounds,
        seconds=parsed.seconds,
        connections=parsed.connections,
        profiles=parsed.profiles,
        big_file_events=parsed.big_file_events,
        memory_calls=parsed.memory_calls,
        starts=3 if parsed.quick else 10,
        builds=(HERE, build(parsed.against, AGAINST)) if parsed.against else (HERE,),
    )


def measure(parsed: argparse.Namespace, console: Console) -> None:
    plan, kind = plan_of(parsed), file_system(parsed.data)
    if kind in IN_MEMORY:
        console.print(f"{parsed.data} is a {kind}: commits do not wait for a disk there. Name a folder with --data.")
    where = machine() | {"file_system": kind}
    results: list[Result] = []
    for name in parsed.only or (COMPARED if parsed.against else SCENARIOS):
        with (
            tempfile.TemporaryDirectory(prefix="trackd-bench-", dir=parsed.data) as folder,
            console.status("") as status,
        ):
            found = SCENARIOS[name](plan, Path(folder), partial(_show_progress, status, name))
        for result in found:
            show(result, console)
        results += found
        _write(plan, results, where, parsed)
    show_ratios(results, console)
    console.print(
        f"\nWritten to {plan.out}: bench.json, bench.md and, of proxied, bench.svg", highlight=False, markup=False
    )


def _show_progress(status: Status, scenario: str, step: str) -> None:
    status.update(f"{scenario}: {step}")


def _write(plan: Plan, results: list[Result], where: dict[str, str | int], parsed: argparse.Namespace) -> None:
    """After each scenario: a run takes long, and may be ended."""
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(parsed).items()}
    del settings["out"], settings["data"]
    (plan.out / "bench.json").write_text(document(results, where, settings))
    (plan.out / "bench.md").write_text(markdown(results))
    for result in results:
        if result.scenario == "proxied":
            (plan.out / "bench.svg").write_text(bars(result))


def main(arguments: list[str]) -> int:
    parsed, console = options(arguments), Console()
    parsed.out.mkdir(parents=True, exist_ok=True)
    try:
        if parsed.what == "pieces":
            pieces(plan_of(parsed), parsed.data, console)
        elif parsed.what == "publish":
            for path in publish(parsed.out, ROOT):
                console.print(f"{path.relative_to(ROOT)} is written", highlight=False, markup=False)
        else:
            check_wrk()
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # without it a start compiles all modules again
            (profile if parsed.what == "profile" else measure)(parsed, console)
    except BenchError as error:
        console.print(f"{error}", style="red", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
