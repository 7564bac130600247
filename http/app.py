"""The application: its routes with their scopes, its error answers and its lifespan."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.http.api.documents import DocumentEndpoints
from trackd.http.api.erasure import ErasureEndpoint
from trackd.http.api.sources import SourceEndpoints
from trackd.http.authentication import Authenticator
from trackd.http.errors import ErrorAnswers, method_not_allowed, unreadable
from trackd.http.middleware import CommonHeaders
from trackd.http.openapi import swagger
from trackd.http.openapi.endpoint import ApiDescription
from trackd.http.ops.health import Readiness, healthcheck
from trackd.http.ops.info import Info
from trackd.http.ops.metrics import Metrics
from trackd.http.track.endpoint import TrackEndpoint
from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.store import Reads


class Application(NamedTuple):
    """The ASGI application; `lifespan` has to be entered before its first request, in the same event loop.

    `track` and `errors` serve the connections that bypass ASGI.
    """

    asgi: ASGIApp
    lifespan: Callable[[], AbstractAsyncContextManager[None]]
    track: TrackEndpoint
    errors: ErrorAnswers


def create_app(
    settings: Settings,
    tracker: Tracker,
    guard: Authenticator,
    reads: Reads,
    documents: Listings,
    lists: QueryPool,
    versions: Mapping[str, str],
) -> Application:
    """Build the application. Its lifespan starts the tracker, and stops it after the last answer.

    `documents` reads single documents by key, in the event loop; `lists` reads lists outside of it.
    `versions` is the answer of `/info/version`.
    """

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await tracker.start()
        try:
            yield
        finally:
            await tracker.stop(settings.server.stop_timeout_s)
            await lists.close()

    errors = ErrorAnswers()
    track = TrackEndpoint(tracker, settings.limits, errors)

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return errors.answer(error)

    async def fault(_: Request, __: Exception) -> Response:
        return errors.fault()

    async def client_disconnected(_: Request, __: Exception) -> Response:
        """Nobody reads this answer. Without it, each client that leaves within its body would log a traceback."""
        return Response()

    async def store_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, StoreError)
        return errors.answer(unreadable(error))

    app = Starlette(
        routes=list(with_not_allowed(routes(track, tracker, guard, reads, documents, lists, versions))),
        exception_handlers={
            HTTPException: http_error,
            StoreError: store_error,
            ClientDisconnect: client_disconnected,
            Exception: fault,
        },
    )
    app.router.redirect_slashes = False  # a redirect is not JSON, and a POST loses its body by it
    # CommonHeaders stands outside of Starlette's error handling, so that a 500 has these headers too.
    return Application(CommonHeaders(HotPath(track, app)), lifespan, track, errors)


def routes(
    track: TrackEndpoint,
    tracker: Tracker,
    guard: Authenticator,
    reads: Reads,
    documents: Listings,
    lists: QueryPool,
    versions: Mapping[str, str],
) -> list[Route]:
    """All routes. `read(...)` and `admin(...)` name the scope that an endpoint requires; the others are public.

    `{id:path}` accepts ids with slashes in them.
    """
    stored = DocumentEndpoints(tracker, documents, lists)
    erasure = ErasureEndpoint(tracker)
    sources = SourceEndpoints(tracker, reads)
    read, admin = guard.read, guard.admin
    return [
        Route("/track", track, methods=["POST"]),
        Route("/healthcheck", healthcheck),
        Route("/ready", Readiness(tracker).get),
        Route("/openapi.json", ApiDescription(versions).get),
        Route("/docs", swagger.page),
        Route("/docs/{name}", swagger.file),
        Route("/metrics", read(Metrics(tracker, reads.sizes, versions).get)),
        Route("/info/version", read(Info(versions).version)),
        Route("/profiles", read(stored.profiles)),
        Route("/profile/count", read(stored.count("profile"))),
        Route("/profile/{id:path}/events", read(stored.profile_events)),
        Route("/profile/{id:path}/sessions", read(stored.profile_sessions)),
        Route("/profile/{id:path}/export", read(stored.export)),
        Route("/profile/{id:path}", read(stored.profile)),
        Route("/profile/{id:path}", admin(erasure.erase), methods=["DELETE"]),
        Route("/session/count", read(stored.count("session"))),
        Route("/session/{id:path}", read(stored.session)),
        Route("/events", read(stored.events)),
        Route("/events/session/{id:path}", read(stored.session_events)),
        Route("/event/count", read(stored.count("event"))),
        Route("/event/{id:path}", read(stored.event)),
        Route("/event-sources", read(sources.list)),
        Route("/event-source", read(sources.list)),
        Route("/event-source", admin(sources.add), methods=["POST"]),
        Route("/event-source/{id:path}", read(sources.get)),
        Route("/event-source/{id:path}", admin(sources.change), methods=["PUT"]),
        Route("/event-source/{id:path}", admin(sources.remove), methods=["DELETE"]),
    ]


def with_not_allowed(routes: Iterable[Route]) -> Iterator[Route]:
    """The routes, and after those of each path one that answers 405 to all other methods.

    Starlette alone would list the methods of one route in `Allow`, and would route `DELETE /profile/1/events` to the
    erasure of a profile with the id `1/events`.
    """
    for path, group in itertools.groupby(routes, lambda route: route.path):
        of_path = list(group)
        yield from of_path
        yield Route(path, NotAllowed({method for route in of_path for method in route.methods or ()}))


class NotAllowed:
    def __init__(self, methods: Iterable[str]) -> None:
        self._allowed = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise method_not_allowed(self._allowed)


class HotPath:
    """Routes `POST /track` to its endpoint at once: it bypasses Starlette's router and middleware, for speed."""

    def __init__(self, track: TrackEndpoint, app: ASGIApp) -> None:
        self._track = track
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/track" and scope["method"] == "POST":
            await self._track(scope, receive, send)
        else:
            await self._app(scope, receive, send)
