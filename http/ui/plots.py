"""Plots of samples as SVG, drawn by pygal. A page shows them as images, so nothing in them runs or loads anything."""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from trackd.http.ui.samples import Point

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
MB = 1_000_000
WIDTH, HEIGHT = 400, 180
LABELS = 5  # below a plot
COLORS = ("#1a8f8a", "#c77d0a")  # can be seen on light and on dark
CSS = """
svg text { fill: #56636b !important; }
svg path.guide { stroke: #9aa7ae !important; stroke-opacity: 0.45; }
svg .series path.line { stroke-width: 2.2 !important; stroke-opacity: 1 !important; }
@media (prefers-color-scheme: dark) { svg text { fill: #9dabb3 !important; } }
"""


class Series(Struct, frozen=True):
    name: str
    value: Callable[[Point], float | None]


class Plot(Struct, frozen=True):
    title: str
    unit: str
    series: tuple[Series, ...]

    def text(self, points: Sequence[Point]) -> str:
        """The plot in words."""
        parts = []
        for series in self.series:
            values = [value for point in points if (value := series.value(point)) is not None]
            if values:
                parts.append(f"{series.name} now {shown(values[-1])}, at most {shown(max(values))}")
        return f"{self.title}, {self.unit}: {'; '.join(parts) or 'nothing yet'}."


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1_000


PLOTS = {
    "rate": Plot(
        "Calls and events",
        "a second",
        (Series("calls", lambda point: point.calls_per_s), Series("events", lambda point: point.events_per_s)),
    ),
    "duration": Plot(
        "Duration of calls",
        "milliseconds",
        (Series("median", lambda point: _ms(point.call_p50)), Series("99 %", lambda point: _ms(point.call_p99))),
    ),
    "commit": Plot(
        "Duration of commits",
        "milliseconds",
        (Series("median", lambda point: _ms(point.commit_p50)), Series("99 %", lambda point: _ms(point.commit_p99))),
    ),
    "queue": Plot("Calls that wait for the disk", "calls", (Series("waiting", lambda point: point.queued),)),
    "profiles": Plot("Profiles in memory", "profiles", (Series("profiles", lambda point: point.profiles),)),
    "size": Plot("Size on disk", "MB", (Series("size", lambda point: point.size / MB),)),
}


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def draw(plot: Plot, points: Sequence[Point]) -> str:
    """Takes some ten milliseconds, and the first time more: pygal is imported then."""
    import pygal
    from pygal.style import Style

    # pygal leaves a finder for its plugins behind, which makes Python 3.11 warn at each later import.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#56636b",
        foreground_strong="#56636b",
        foreground_subtle="#9aa7ae",
        colors=COLORS,
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
        opacity=1,
        no_data_font_size=16,
        font_family="system-ui, sans-serif",
    )
    chart: Any = pygal.Line(
        width=WIDTH,
        height=HEIGHT,
        margin=4,
        style=style,
        js=[],
        show_legend=len(plot.series) > 1,
        legend_at_bottom=True,
        legend_box_size=12,
        dots_size=1.5,
        show_dots=len(points) <= 2,
        range=(0, _top(plot, points)),
        truncate_label=-1,
        y_labels_major_count=3,
        show_minor_y_labels=False,
        no_data_text="No data yet",
        value_formatter=shown,
        disable_xml_declaration=True,
    )
    chart.x_labels = _labels(points)
    for series in plot.series:
        chart.add(series.name, [series.value(point) for point in points])
    drawn = re.sub("<script.*?</script>", "", chart.render(is_unicode=True), flags=re.DOTALL)
    return drawn.replace("</style>", f"{CSS}</style>", 1)


def _top(plot: Plot, points: Sequence[Point]) -> float:
    """The top of the scale: a line at zero is drawn at its bottom."""
    values = [series.value(point) or 0 for series in plot.series for point in points]
    return max(values, default=0) * 1.05 or 1


def _labels(points: Sequence[Point]) -> list[str]:
    """A text for some points, evenly spread, each text once. Those of the others are empty."""
    last = len(points) - 1
    chosen = [last * part // (LABELS - 1) for part in range(LABELS)] if points else []
    ages = {_ago(points[last].ended - points[at].ended): at for at in chosen}
    texts = {at: text for text, at in ages.items()}
    return [texts.get(at, "") for at in range(len(points))]


def _ago(seconds: float) -> str:
    if seconds < 1:
        return "now"
    return f"{seconds:.0f} s ago" if seconds < 90 else f"{seconds / 60:.0f} min ago"
