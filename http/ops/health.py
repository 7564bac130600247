"""GET /healthcheck and GET /ready, for load balancers and monitoring."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.tracker import Tracker
from trackd.http.errors import not_ready


async def healthcheck(request: Request) -> Response:
    """200 as long as the process runs."""
    return JSONResponse({"status": "alive"})


class Readiness:
    """200 while calls are accepted; 503 at the start, at the stop, and while the store does not take writes."""

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
