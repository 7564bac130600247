"""The lines of code on the way of a call: code that is gone counts as a gain."""

from pathlib import Path

from tests.bench.builds import Build
from tests.bench.contest import Progress
from tests.bench.figures import Measure, Result, Target
from tests.bench.plan import Plan

FOLDERS = ("http", "actors")


def code_lines(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    measures = [
        Measure(build.name, sum(parts.values()), "lines", parts)
        for build in plan.builds
        for parts in [{f"{each}/": float(_lines(build, each)) for each in FOLDERS}]
    ]
    here, *others = measures
    targets = [Target(f"{here.what} of {other.what}", here.value / other.value, 1.0, most=True) for other in others]
    question = "lines of Python, with docstrings, comments and blank lines"
    return [Result(scenario="lines", question=question, measures=tuple(measures), targets=tuple(targets))]


def _lines(build: Build, folder: str) -> int:
    return sum(len(path.read_text().splitlines()) for path in (build.root / folder).rglob("*.py"))
