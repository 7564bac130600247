"""The bars that README shows: calls per second of each server, and their ratio to the ceiling, as SVG."""

import pygal
from pygal.style import Style

from tests.bench.figures import Medians, Result
from trackd.load.charts import svg

GREY = "#808890"  # readable on white and on black
COLOURS = {"trackd": "#2f81f7", **dict.fromkeys(("echo", "lockdb", "rowlock", "node"), GREY)}  # of those that are shown


def bars(result: Result) -> str:
    """The fastest on top."""
    shown = [each for each in result.medians if each.name in COLOURS]
    found = sorted(shown, key=lambda each: each.per_second)  # pygal draws horizontal bars from below
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground=GREY,
        foreground_strong=GREY,
        foreground_subtle=GREY,
        font_family="sans-serif",
        label_font_size=16,
        title_font_size=16,
        opacity=1,
    )
    chart = pygal.HorizontalBar(
        style=style,
        title="calls per second, 3 events each",
        width=800,
        height=60 + 50 * len(found),
        js=(),
        show_legend=False,
        show_x_labels=False,
        show_y_guides=False,
        truncate_label=-1,
    )
    chart.x_labels = [_label(each, result.reference) for each in found]
    chart.add("", [{"value": each.per_second, "color": COLOURS[each.name]} for each in found])
    return svg(chart)


def _label(found: Medians, reference: str) -> str:
    ratio = "" if found.name == reference else f", {found.ratio:.2f} of {reference}"
    return f"{found.name}: {found.per_second:,.0f}{ratio}"
