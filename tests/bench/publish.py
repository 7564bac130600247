"""`make bench ARGS=publish`: the figures of the last run, put into the documents that show them.

In a document they stand between a line `<!-- bench: NAME -->` and a line `<!-- end -->`.
"""

import re
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.faults import BenchError
from tests.bench.figures import Result
from tests.bench.plot import bars
from tests.bench.report import markdown
from tests.bench.scenarios import MANY_EVENTS

FIGURES = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Run(msgspec.Struct):
    """What `document` of report.py wrote."""

    machine: dict[str, str | int]
    options: dict[str, Any]
    scenarios: list[Result]

    def per_second(self, scenario: str) -> float:
        return {each.name: each.per_second for each in self.result(scenario).medians}["trackd"]

    def ratio(self, scenario: str, what: str) -> float:
        return {each.what: each.value for each in self.result(scenario).targets}[what]

    def events_per_second(self) -> float:
        return MANY_EVENTS * self.per_second(f"events-per-call-{MANY_EVENTS}")

    def result(self, scenario: str) -> Result:
        return {each.scenario: each for each in self.scenarios}[scenario]


def publish(out: Path, root: Path) -> list[Path]:
    """Write the figures in `out` into the documents below `root`, and return those. Raises BenchError."""
    report = out / "bench.json"
    if not report.exists():
        raise BenchError(f"There is no run in {out}: `make bench` makes one.")
    run = msgspec.json.decode(report.read_bytes(), type=Run)
    if run.options["quick"]:
        raise BenchError(f"The figures in {out} are of a --quick run, and mean nothing.")
    try:
        texts = {"tables": tables(run), "readme": readme(run), "capacity": capacity(run)}
    except LookupError as error:
        raise BenchError(f"The run in {out} lacks a scenario: `make bench`, without --only, has all.") from error
    changed = [path for path in (root / "README.md", *sorted((root / "docs").rglob("*.md"))) if _fill(path, texts)]
    plot = root / "docs" / "bench.svg"
    plot.write_text(bars(run.result("proxied")))
    return [*changed, plot]


def _fill(path: Path, texts: dict[str, str]) -> bool:
    before = path.read_text()
    after = FIGURES.sub(lambda found: f"{found[1]}{texts[found[2]].rstrip()}\n{found[3]}", before)
    path.write_text(after)
    return after != before


def tables(run: Run) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    rounds = f"{run.options['rounds']} rounds of {run.options['seconds']} s"
    return f"The machine: {machine}; {rounds}.\n\n{markdown(run.scenarios).rstrip()}\n"


def readme(run: Run) -> str:
    of_echo, times_lockdb = (run.ratio("proxied", what) for what in ("of echo", "times lockdb"))
    return _paragraph(
        f"On {run.machine['cores']} cores, with browsers behind a proxy and 3 events a call:",
        f"{_round(run.per_second('proxied'))} calls a second. That is {of_echo:.2f} of a server that validates the",
        f"payload and stores nothing, and {times_lockdb:.0f} times a server with a lock and a transaction for each",
        f"call. With 100 events a call: {_round(run.events_per_second())} events a second.",
    )


def capacity(run: Run) -> str:
    return _paragraph(
        f"On {run.machine['cores']} cores, which also send the load, trackd stores {_round(run.per_second('proxied'))}",
        "calls of 3 events a second from browsers behind a proxy, and",
        f"{_round(run.per_second('throughput'))} from clients that send no header more than they must, each call on",
        f"disk before its answer; with 100 events a call {_round(run.events_per_second())} events a second. With",
        f"5,000,000 events in the file it reaches {run.ratio('big-file', 'of the empty file'):.2f} of that.",
    )


def _paragraph(*lines: str) -> str:
    return textwrap.fill(" ".join(lines), 150, break_on_hyphens=False)


def _round(value: float) -> str:
    """To two digits: a machine reaches no more from run to run."""
    return f"{float(f'{value:.2g}'):,.0f}"
