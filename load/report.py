"""A run as one self-contained HTML page; the plots are SVG, drawn by pygal."""

from collections import Counter
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pygal
from pygal.style import CleanStyle

from trackd.load.charts import svg
from trackd.load.history import OK, History
from trackd.load.measures import Interval
from trackd.load.run import Result
from trackd.load.summary import attempt_document, judged, lines, summary

PAGE = Path(__file__).with_name("report.html")
MAX_POINTS = 300
SHORTEST_S = 0.5
NINES = (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100)


def report(result: Result) -> str:
    """The HTML of the page."""
    verdict, intervals = result.verdict, _shown(result.measures.intervals)
    heading = "No violation" if not verdict.violations else f"Violations: {verdict.violations}"
    return Template(PAGE.read_text()).substitute(
        title=escape(f"trackd load: {result.plan.target.url}"),
        verdict=escape(heading),
        verdict_class="bad" if verdict.violations else "good",
        lines="\n".join(f"<li>{escape(line)}</li>" for line in lines(result)),
        rules="\n".join(_row(*row) for row in judged(result)),
        shortest=_shortest(result),
        distribution=_distribution(result),
        throughput=_throughput(intervals),
        latency=_latency(intervals),
        profiles=_calls_per_profile(result.history),
        options="\n".join(_row(name, str(value)) for name, value in summary(result)["options"].items()),
    )


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _shortest(result: Result) -> str:
    violation = result.verdict.shortest
    if violation is None:
        return ""
    attempts = [attempt_document(result.history, attempt) for attempt in violation.attempts]
    head = "".join(f"<th>{escape(name)}</th>" for name in attempts[0])
    rows = "\n".join(_row(*(str(value) for value in attempt.values())) for attempt in attempts)
    return f"<h2>Shortest offending history</h2><p>{escape(violation.sentence)}</p><table><tr>{head}</tr>{rows}</table>"


def _chart(kind: Any, title: str, x: str, y: str, **more: Any) -> Any:
    options = {"width": 900, "height": 380, "js": (), "style": CleanStyle, "show_dots": False, "legend_at_bottom": True}
    return kind(title=title, x_title=x, y_title=y, **options, **more)


def _distribution(result: Result) -> str:
    chart = _chart(pygal.Line, "Latency distribution", "percentile", "ms", logarithmic=True, show_legend=False)
    chart.x_labels = [f"{percentile:g}" for percentile in NINES]
    chart.add("latency", [max(result.measures.percentile_ms(percentile), 0.001) for percentile in NINES])
    return svg(chart)


def _throughput(intervals: list[Interval]) -> str:
    chart = _over_time("Throughput", "answers a second", intervals)
    chart.add("200", [each.rate for each in intervals])
    chart.add("errors", [each.errors / each.lasted for each in intervals])
    return svg(chart)


def _latency(intervals: list[Interval]) -> str:
    chart = _over_time("Latency over time", "ms", intervals)
    chart.add("p50", [each.p50_ms for each in intervals])
    chart.add("p99", [each.p99_ms for each in intervals])
    chart.add("max", [each.max_ms for each in intervals])
    return svg(chart)


def _over_time(title: str, unit: str, intervals: list[Interval]) -> Any:
    chart = _chart(pygal.Line, title, "seconds", unit, show_minor_x_labels=False, include_x_axis=True)
    chart.x_labels = [round(each.began + each.lasted) for each in intervals]
    chart.x_labels_major_every = max(1, len(intervals) // 10)
    return chart


def _calls_per_profile(history: History) -> str:
    answered = zip(history.profile, history.status, strict=True)
    counts = sorted(Counter(profile for profile, status in answered if status == OK).values(), reverse=True)
    every = -(-len(counts) // MAX_POINTS) or 1
    shown = counts[::every]
    title = "Answered calls per profile"
    options = {"logarithmic": True, "show_legend": False, "show_minor_x_labels": False}
    chart = _chart(pygal.Line, title, "profiles, the busiest first", "calls", **options)
    chart.x_labels = [rank * every + 1 for rank in range(len(shown))]
    chart.x_labels_major_every = max(1, len(shown) // 10)
    chart.add("calls", shown)
    return svg(chart)


def _shown(intervals: list[Interval]) -> list[Interval]:
    """A long run's intervals in at most MAX_POINTS points, none of which hides an error or the worst latency.

    A part of a second at the end is left out: it would look like a drop.
    """
    if len(intervals) > 1 and intervals[-1].lasted < SHORTEST_S:
        intervals = intervals[:-1]
    step = -(-len(intervals) // MAX_POINTS) or 1
    return [_joined(intervals[start : start + step]) for start in range(0, len(intervals), step)]


def _joined(parts: list[Interval]) -> Interval:
    return Interval(
        began=parts[0].began,
        lasted=sum(part.lasted for part in parts),
        answers=sum(part.answers for part in parts),
        errors=sum(part.errors for part in parts),
        p50_ms=sorted(part.p50_ms for part in parts)[len(parts) // 2],
        p99_ms=max(part.p99_ms for part in parts),
        max_ms=max(part.max_ms for part in parts),
    )
