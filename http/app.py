"""The application: routes, error answers, and what every answer carries."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from trackd.actors.system import Tracker
from trackd.config.settings import Settings
from trackd.http.errors import ErrorAnswers
from trackd.http.health import Ready, healthcheck
from trackd.http.middleware import Cors, ProcessTime
from trackd.http.track import TrackEndpoint


def create_app(settings: Settings, tracker: Tracker) -> ASGIApp:
    """The ASGI application. Its lifespan starts the tracker, and stops it once the last answer is out."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await tracker.start()
        try:
            yield
        finally:
            await tracker.stop(settings.server.stop_timeout_s)

    errors = ErrorAnswers()
    app = Starlette(
        routes=[
            Route("/track", TrackEndpoint(tracker, settings.limits), methods=["POST"]),
            Route("/healthcheck", healthcheck),
            Route("/ready", Ready(tracker).get),
        ],
        exception_handlers={HTTPException: errors.http_error, 500: errors.fault},
        lifespan=lifespan,
    )
    # Outside of Starlette's own error handling, so that a 500 has their headers too.
    return ProcessTime(Cors(app))
