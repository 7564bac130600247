"""Where the time goes under load, as py-spy samples it: a flame graph and a table for the server and for its writer."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.bench.faults import BenchError
from tests.bench.servers import trackd
from tests.bench.wrk import FOREVER_S, Load, Running

MISSING = "py-spy is not installed, and takes the samples: `pip install -e '.[bench]'` brings it."
SAMPLES_A_SECOND = 200
SHOWN = 25
SHORTEST_S = 5


def profile(parsed: argparse.Namespace, console: Console) -> None:
    """Writes `profile-server.svg` and `profile-writer.svg` into the folder for results, and prints the tables."""
    spy = _spy()
    seconds = max(SHORTEST_S, parsed.seconds)
    with (
        tempfile.TemporaryDirectory(prefix="trackd-bench-", dir=parsed.data) as folder,
        trackd(Path(folder) / "trackd.db") as server,
        Running(server, Load(FOREVER_S, parsed.connections, parsed.profiles), seed=0),
    ):
        for name, pid in server.pids.items():
            graph, stacks = parsed.out / f"profile-{name}.svg", Path(folder) / f"{name}.txt"
            console.print(f"samples the {name} for {2 * seconds} s")
            _record(spy, pid, seconds, "flamegraph", graph)
            _record(spy, pid, seconds, "raw", stacks)
            _show(name, stacks.read_text().splitlines(), console)
            console.print(f"flame graph: {graph}", highlight=False, markup=False)


def _spy() -> str:
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise BenchError(MISSING)
    return spy


def _record(spy: str, pid: int, seconds: int, kind: str, file: Path) -> None:
    options = ["--function", "--rate", str(SAMPLES_A_SECOND), "--duration", str(seconds), "--format", kind]
    command: list[str | Path] = [spy, "record", "--pid", str(pid), *options, "--output", file]
    ran = subprocess.run(command, text=True, capture_output=True, check=False)
    if ran.returncode != 0:
        raise BenchError(f"py-spy could not take samples; it may need root: {' '.join(ran.stderr.split())}")


def _show(name: str, stacks: Iterable[str], console: Console) -> None:
    own, inclusive = shares(stacks)
    table = Table(name, "self %", "with what it calls %", box=box.SIMPLE)
    for function in list(own)[:SHOWN]:
        table.add_row(escape(function), f"{own[function]:.1f}", f"{inclusive[function]:.1f}")
    console.print(table)


def shares(stacks: Iterable[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Percentages of the samples that each function was in, itself and at all, from lines `outer;inner count`.

    The busiest first.
    """
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        functions = stack.split(";")
        own[functions[-1]] += int(count)
        for function in set(functions):  # once, however often it calls itself
            inclusive[function] += int(count)
    return _percentages(own, own.total()), _percentages(inclusive, own.total())


def _percentages(counted: Counter[str], total: int) -> dict[str, float]:
    return {function: 100 * count / total for function, count in counted.most_common()}
