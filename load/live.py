"""The display while a load test runs: on a terminal only."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from trackd.load.measures import Interval, Measures


class Terminal:
    """Shows figures of the last second and of the whole run, on stderr."""

    def __init__(self, calls: int | None, duration_s: float | None) -> None:
        self._console = Console(stderr=True)
        self._goal = f"of {calls} calls" if calls is not None else f"of {duration_s:g} s"
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Terminal":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def interval(self, interval: Interval, measures: Measures) -> None:
        if self._live.is_started:
            self._live.update(_table(interval, measures, self._goal), refresh=True)

    @contextlib.contextmanager
    def reading(self, profiles: int) -> Iterator[Callable[[int], None]]:
        self._live.stop()
        columns = TextColumn("read back"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            task = progress.add_task("read back", total=profiles)
            yield lambda done: progress.update(task, completed=done)


def _table(interval: Interval, measures: Measures, goal: str) -> Table:
    table = Table("", "answers/s", "p50 ms", "p99 ms", "errors", "retries")
    table.add_row(
        "last second",
        f"{interval.rate:,.0f}",
        f"{interval.p50_ms:.1f}",
        f"{interval.p99_ms:.1f}",
        str(interval.errors),
        "",
    )
    table.add_row(
        f"{measures.duration_s:.0f} s {goal}",
        f"{measures.throughput:,.0f}",
        f"{measures.percentile_ms(50):.1f}",
        f"{measures.percentile_ms(99):.1f}",
        str(measures.errors),
        str(measures.retries),
    )
    return table
