"""For those who watch: is trackd alive, and does it take calls?"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.tracker import Tracker
from trackd.http.errors import not_ready


async def healthcheck(request: Request) -> Response:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "alive"})


class Ready:
    """200 while calls are taken; 503 while starting, stopping, or when the store does not take writes."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    async def get(self, request: Request) -> Response:
        if self._tracker.ready:
            return JSONResponse({"status": "ready"})
        if self._tracker.stopping:
            raise not_ready("The server is stopping.")
        if self._tracker.started_up:
            raise not_ready("The store does not take writes.")
        raise not_ready("The server is starting.")
