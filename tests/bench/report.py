"""The results of a run: as tables on the terminal, as JSON, and as Markdown for the documents."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import to_builtins
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.bench.figures import Measure, Medians, Result, Target

COLUMNS = ("", "calls/s", "ratio", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs", "errors")
RATIOS = ("scenario", "", "measured", "target", "met")


def cells(found: Medians) -> tuple[str, ...]:
    return (
        found.name,
        f"{found.per_second:,.0f}",
        f"{found.ratio:.2f}",
        f"{found.p50_ms:.1f}",
        f"{found.p99_ms:.1f}",
        f"{found.p999_ms:.1f}",
        f"{found.cpu_us:,.0f}",
        str(found.errors),
    )


def sentence(target: Target) -> str:
    return f"{target.what}: {_with_unit(target.value, target)}, {_limit(target)}: {_met(target)}"


def _limit(target: Target) -> str:
    return f"{'at most' if target.most else 'at least'} {_with_unit(target.limit, target)}"


def _met(target: Target) -> str:
    return "yes" if target.met else "no"


def _with_unit(value: float, target: Target) -> str:
    return f"{_figure(value)} {target.unit}".rstrip()


def measure_line(measure: Measure) -> str:
    parts = ", ".join(f"{name} {_figure(value)}" for name, value in measure.parts.items())
    return f"{measure.what}: {_figure(measure.value)} {measure.unit}" + (f" ({parts})" if parts else "")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def show(result: Result, console: Console) -> None:
    console.print()
    console.print(f"{result.scenario}: {result.question}", style="bold", highlight=False, markup=False)
    if result.medians:
        table = Table(*COLUMNS, box=None, padding=(0, 2, 0, 0))
        for column in table.columns:
            column.no_wrap = True
            column.justify = "left" if column.header == "" else "right"
        for found in result.medians:
            table.add_row(*cells(found))
        console.print(table)
    for measure in result.measures:
        console.print(f"  {measure_line(measure)}", highlight=False, markup=False)
    for target in result.targets:
        colour = "green" if target.met else "red"
        console.print(f"  {sentence(target)}", style=colour, highlight=False, markup=False)
    for note in result.notes:
        console.print(f"  {note}", highlight=False, markup=False)


def ratios(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """All targets in one place: scenario, what is compared, the figure, its limit, and whether it is met."""
    return [
        (result.scenario, target.what, _with_unit(target.value, target), _limit(target), _met(target))
        for result in results
        for target in result.targets
    ]


def show_ratios(results: Sequence[Result], console: Console) -> None:
    table = Table("ratios", *RATIOS[1:], box=None, padding=(0, 2, 0, 0))
    for row in ratios(results):
        table.add_row(*map(escape, row), style="red" if row[-1] == "no" else "")
    console.print()
    console.print(table)


def document(results: Sequence[Result], machine: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """All rounds, medians, targets with whether they are met, and where it was measured, as JSON."""
    scenarios = []
    for result in results:
        one = to_builtins(result)
        for target, written in zip(result.targets, one["targets"], strict=True):
            written["met"] = target.met
        for name, rounds in result.rounds.items():
            for each, written in zip(rounds, one["rounds"][name], strict=True):
                written["per_second"] = each.per_second
        scenarios.append(one)
    whole = {"machine": machine, "options": options, "scenarios": scenarios}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def markdown(results: Sequence[Result]) -> str:
    lines = ["**ratios**: all targets of this run.", "", _row(RATIOS), _row(["---", "---", "---:", "---:", "---"])]
    lines += [*map(_row, ratios(results)), ""]
    for result in results:
        lines += [f"**{result.scenario}**: {result.question}.", ""]
        if result.medians:
            lines += [_row(COLUMNS), _row(["---", *["---:"] * (len(COLUMNS) - 1)])]
            lines += [*(_row(cells(found)) for found in result.medians), ""]
        lines += [f"- {measure_line(each)}" for each in result.measures]
        lines += [f"- {sentence(each)}" for each in result.targets]
        lines += [f"- {note}" for note in result.notes]
        lines.append("")
    return "\n".join(lines)


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
