"""The ASGI application: its error answers, its middleware and its lifespan. `routes.py` lists its routes."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.http.authentication import Authenticator
from trackd.http.clients import Clients
from trackd.http.cors import named_origins
from trackd.http.errors import (
    METHOD_NOT_ALLOWED,
    METHODS,
    REQUEST_FAULT,
    ErrorAnswers,
    HttpError,
    allow,
    method_not_allowed,
    unreadable,
)
from trackd.http.feed.endpoint import FeedEndpoint
from trackd.http.middleware import TRACK, CommonHeaders, RefusalHeaders
from trackd.http.paths import RoutePaths, is_path
from trackd.http.routes import routes, with_not_allowed
from trackd.http.track.endpoint import TrackEndpoint
from trackd.http.track.kept_headers import KeptHeaders
from trackd.http.ui.dependencies import PageDependencies
from trackd.http.ui.routes import ui_routes
from trackd.http.ui.samples import Samples
from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.store import Reads
from trackd.telemetry.tally import Tally


class Application(NamedTuple):
    """The ASGI application; `lifespan` has to be entered before its first request, in the same event loop.

    `track`, `errors` and `refusal_headers` serve the connections that bypass ASGI.
    """

    asgi: ASGIApp
    lifespan: Callable[[], AbstractAsyncContextManager[None]]
    track: TrackEndpoint
    errors: ErrorAnswers
    refusal_headers: RefusalHeaders


def create_app(
    settings: Settings,
    tracker: Tracker,
    authenticator: Authenticator,
    reads: Reads,
    listings: Listings,
    queries: QueryPool,
    versions: Mapping[str, str],
) -> Application:
    """Build the application. Its lifespan starts the tracker, and stops it after the last answer.

    `listings` reads single documents by key, in the event loop; `queries` reads lists outside of it.
    `versions` is the answer of `/info/version`. Raises SettingsError for origins that are none.
    """
    samples = Samples(tracker, reads.sizes)
    clients = Clients(settings.privacy, settings.limits)
    errors = ErrorAnswers(clients)
    track = TrackEndpoint(
        tracker,
        settings.limits,
        errors,
        root_path=settings.server.root_path,
        kept_headers=KeptHeaders(settings.privacy),
        clients=clients,
    )

    feed = FeedEndpoint(tracker, listings, queries, settings.limits.max_subscribers)
    of_api = routes(track, tracker, authenticator, reads, listings, queries, versions, feed)
    page = PageDependencies(settings, tracker, authenticator, reads, listings, queries, errors, samples, feed)
    of_page = ui_routes(page) if settings.ui.enabled else []
    handlers = _exception_handlers(errors, tracker.tally)
    app = Starlette(routes=list(with_not_allowed([*of_api, *of_page])), exception_handlers=handlers)
    app.router.redirect_slashes = False  # a redirect is not JSON, and a POST loses its body by it
    # CommonHeaders stands outside of Starlette's error handling, so that a 500 has these headers too.
    prefix, origins = settings.server.root_path, named_origins(settings.server.cors_origins)
    asgi = CommonHeaders(TrackDispatch(track, errors, RoutePaths(app, prefix)), prefix, origins)
    lifespan = _lifespan(tracker, queries, samples if settings.ui.enabled else None, settings.server.stop_timeout_s)
    return Application(asgi, lifespan, track, errors, RefusalHeaders(prefix, origins))


def _lifespan(
    tracker: Tracker, queries: QueryPool, samples: Samples | None, stop_timeout_s: float
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """The life of the application. `samples` are those of the live page."""

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await tracker.start()
        try:
            async with samples.running() if samples is not None else contextlib.nullcontext():
                yield
        finally:
            try:
                await tracker.stop(stop_timeout_s)
            finally:
                await queries.close()

    return lifespan


def _exception_handlers(errors: ErrorAnswers, tally: Tally) -> dict[Any, ExceptionHandler]:
    def answer(request: Request, error: HTTPException) -> Response:
        if request.scope["path"] != TRACK:  # those are counted as calls
            tally.refused_requests[error.status_code] += 1
        return errors.answer(error, request.scope.get("client"))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, error)

    async def fault(_: Request, __: Exception) -> Response:
        tally.refused_requests[500] += 1
        return errors.fault()

    async def client_disconnected(_: Request, __: Exception) -> Response:
        """Not read by the client. Without it, each client that disconnects within its body would log a traceback."""
        return Response()

    async def store_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, StoreError)
        return answer(request, unreadable(error))

    return {
        HTTPException: http_error,
        StoreError: store_error,
        ClientDisconnect: client_disconnected,
        Exception: fault,
    }


class TrackDispatch:
    """Routes `POST /track` to its endpoint at once: it bypasses Starlette's router and middleware, for speed.

    It answers those requests that have no route: with a fault that the connection found, and `OPTIONS *`.
    """

    def __init__(self, track: TrackEndpoint, errors: ErrorAnswers, app: ASGIApp) -> None:
        self._track = track
        self._errors = errors
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault: HttpError | None = scope.get(REQUEST_FAULT)
        is_track = is_path(scope, self._track.paths)
        if fault is None and is_track and scope["method"] == "POST":
            await self._track(scope, receive, send)
        elif fault is not None:
            self._track.tally.request_refused(fault.status_code)
            if is_track:
                self._track.refused_calls.add(fault, self._track.clients.of(scope.get("client")))
            await self._errors.answer(fault, scope.get("client"))(scope, receive, send)
        elif scope["path"] == "*" and scope["method"] == "OPTIONS":
            await JSONResponse({}, headers=allow(METHODS))(scope, receive, send)
        else:
            if is_track and scope["method"] != "OPTIONS":
                self._track.tally.request_refused(METHOD_NOT_ALLOWED)
                self._track.refused_calls.add(method_not_allowed(["POST"]), self._track.clients.of(scope.get("client")))
            await self._app(scope, receive, send)
