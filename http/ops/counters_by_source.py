"""Counters with the label `source`, for /metrics.

There may be thousands of sources, and each has samples. prometheus-client takes 30 microseconds for a sample,
and nothing else is done meanwhile: so they are written here.
"""

from collections.abc import Iterable

from trackd.http.errors import CALL_STATUSES
from trackd.telemetry.tally import NO_SOURCE, Tally


def counters_by_source(tally: Tally) -> str:
    """The calls and the events by source, in Prometheus' text format."""
    none: dict[tuple[str, int], int] = {(NO_SOURCE, status): 0 for status in CALL_STATUSES}
    return "".join(
        [
            *_counter(
                "trackd_calls_total",
                "Answered calls of /track, and requests that were refused before they were complete.",
                "status",
                {**none, **tally.calls}.items(),
            ),
            *_counter(
                "trackd_events_total",
                "Events of answered calls, by source and outcome.",
                "outcome",
                tally.events.items(),
            ),
        ]
    )


def _counter(
    name: str, documentation: str, label: str, numbers: Iterable[tuple[tuple[str, str | int], int]]
) -> Iterable[str]:
    yield f"# HELP {name} {documentation}\n# TYPE {name} counter\n"
    for (source, value), number in numbers:
        yield f'{name}{{source="{_escaped(source)}",{label}="{value}"}} {number}.0\n'


def _escaped(text: str) -> str:
    """The text as the value of a label."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
