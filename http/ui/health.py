"""The view Health: the last hour of the server as plots and as a table, from the numbers of `/metrics`."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from trackd.actors.tracker import Tracker
from trackd.http.errors import unknown_path
from trackd.http.ui.pages import Pages
from trackd.http.ui.plots import MB, PLOTS, POLICY, draw, shown
from trackd.http.ui.samples import Point, Samples

DRAWN_EVERY = 6  # samples: readers share a drawing for half a minute
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "private, max-age=60",  # its address changes with each drawing
}


class HealthPages:
    def __init__(self, pages: Pages, tracker: Tracker, samples: Samples) -> None:
        self._pages = pages
        self._tracker = tracker
        self._samples = samples
        self._drawn: dict[str, tuple[int, str]] = {}  # by plot: the number of its drawing, and the drawing
        self._drawing = asyncio.Lock()

    async def show(self, request: Request) -> Response:
        points, now = self._samples.points(), self._samples.now()
        return await self._pages.page(
            request,
            "health.html",
            view="health",
            ready=self._tracker.ready,
            plots={name: (plot, plot.text(points)) for name, plot in PLOTS.items()},
            number=self._number(),
            rows=_rows(now, self._tracker) if now else [],
            over="the last hour"
            if len(points) > 1 and points[-1].ended - points[0].ended > 3_500
            else "since the start",
        )

    async def plot(self, request: Request) -> Response:
        """The drawing of a plot, made outside of the event loop, one at a time."""
        name = request.query_params.get("name", "")
        if name not in PLOTS:
            raise unknown_path()
        async with self._drawing:
            number = self._number()
            if self._drawn.get(name, (-1, ""))[0] != number:
                self._drawn[name] = number, await asyncio.to_thread(draw, PLOTS[name], self._samples.points())
        return Response(self._drawn[name][1], media_type="image/svg+xml", headers=HEADERS)

    def _number(self) -> int:
        """The number of the drawings that are due: at first each sample has its own."""
        number = self._samples.number
        return number if number < 4 * DRAWN_EVERY else number // DRAWN_EVERY + 4 * DRAWN_EVERY


def _rows(now: Point, tracker: Tracker) -> list[tuple[str, str]]:
    """Names and values of the last half minute."""
    queue, tally = tracker.queue, tracker.tally
    return [
        ("Calls a second", shown(now.calls_per_s)),
        ("Events a second", shown(now.events_per_s)),
        ("Duration of calls, median", _duration(now.call_p50)),
        ("Duration of calls, 99 %", _duration(now.call_p99)),
        ("Duration of commits, median", _duration(now.commit_p50)),
        ("Duration of commits, 99 %", _duration(now.commit_p99)),
        ("Calls that wait for the disk", f"{queue.calls:,} of at most {queue.max_calls:,}"),
        ("Profiles in memory", f"{tally.active_profiles:,}"),
        ("Open connections", f"{tally.connections:,} of at most {tally.max_connections:,}"),
        ("Size on disk", f"{shown(now.size / MB)} MB"),
        ("Commits that failed since the start", f"{tally.failed_commits:,}"),
    ]


def _duration(seconds: float | None) -> str:
    return "none" if seconds is None else f"{shown(seconds * 1_000)} ms"
