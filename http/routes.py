"""All routes with the scopes that they require."""

import itertools
from collections.abc import Iterable, Iterator, Mapping

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from trackd.actors.tracker import Tracker
from trackd.http.api.documents import DocumentEndpoints
from trackd.http.api.erasure import ErasureEndpoint
from trackd.http.api.segment_members import SegmentEndpoints
from trackd.http.api.sources import SourceEndpoints
from trackd.http.authentication import Authenticator
from trackd.http.errors import method_not_allowed
from trackd.http.feed.endpoint import FeedEndpoint
from trackd.http.openapi import swagger
from trackd.http.openapi.endpoint import ApiDescription
from trackd.http.ops.health import Readiness, healthcheck
from trackd.http.ops.info import Info
from trackd.http.ops.metrics import Metrics
from trackd.http.track.endpoint import TrackEndpoint
from trackd.http.ui.script import script
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.store import Reads


def routes(
    track: TrackEndpoint,
    tracker: Tracker,
    authenticator: Authenticator,
    reads: Reads,
    listings: Listings,
    queries: QueryPool,
    versions: Mapping[str, str],
    feed: FeedEndpoint,
) -> list[Route]:
    """The routes. `read(...)` and the like name the scope that an endpoint requires; the others are public.

    `{id:path}` accepts ids with slashes in them. Ids that a path cannot name, such as `count`, `..` or one with a line
    break, are named in the query. The arguments are those of `create_app`.
    """
    segments = SegmentEndpoints(tracker, queries)
    stored = DocumentEndpoints(tracker, listings, queries, segments.id_of)
    metrics = Metrics(tracker, reads.sizes, versions, lambda: queries.pid, feed.subscribers)
    read = authenticator.read
    return [
        Route("/track", track, methods=["POST"]),
        Route("/tracker.js", script),
        Route("/healthcheck", healthcheck),
        Route("/ready", Readiness(tracker).get),
        Route("/openapi.json", ApiDescription(versions, reads.sources).get),
        Route("/docs", swagger.page),
        Route("/docs/{name}", swagger.file),
        Route("/metrics", authenticator.metrics(metrics.get)),
        Route("/info/version", read(Info(versions).version)),
        Route("/segments", read(segments.list)),
        *_profile_routes(authenticator, stored, ErasureEndpoint(tracker)),
        Route("/session/count", read(stored.count("session"))),
        Route("/session", read(stored.session)),
        Route("/session/{id:path}", read(stored.session)),
        Route("/refusals", read(stored.refusals)),
        Route("/feed", read(feed.get)),
        Route("/events", read(stored.events)),
        Route("/events/session", read(stored.list("session_events"))),
        Route("/events/session/{id:path}", read(stored.list("session_events"))),
        Route("/event/count", read(stored.count("event"))),
        Route("/event", read(stored.event)),
        Route("/event/{id:path}", read(stored.event)),
        *_source_routes(authenticator, SourceEndpoints(tracker, reads)),
    ]


def _profile_routes(authenticator: Authenticator, stored: DocumentEndpoints, erasure: ErasureEndpoint) -> list[Route]:
    read, may_erase = authenticator.read, authenticator.erase
    return [
        Route("/profiles", read(stored.profiles)),
        Route("/profile/count", read(stored.count("profile"))),
        Route("/profile", read(stored.profile)),
        Route("/profile", may_erase(erasure.erase), methods=["DELETE"]),
        ByQuery("/profile/events", read(stored.list("profile_events"))),
        ByQuery("/profile/sessions", read(stored.list("profile_sessions"))),
        ByQuery("/profile/export", read(stored.export)),
        Route("/profile/{id:path}/events", read(stored.list("profile_events"))),
        Route("/profile/{id:path}/sessions", read(stored.list("profile_sessions"))),
        Route("/profile/{id:path}/export", read(stored.export)),
        Route("/profile/{id:path}", read(stored.profile)),
        Route("/profile/{id:path}", may_erase(erasure.erase), methods=["DELETE"]),
    ]


def _source_routes(authenticator: Authenticator, sources: SourceEndpoints) -> list[Route]:
    read, admin = authenticator.read, authenticator.admin
    return [
        Route("/event-sources", read(sources.list)),
        Route("/event-source", read(sources.list)),
        Route("/event-source", admin(sources.add), methods=["POST"]),
        Route("/event-source", admin(sources.replace), methods=["PUT"]),
        Route("/event-source", admin(sources.change), methods=["PATCH"]),
        Route("/event-source", admin(sources.remove), methods=["DELETE"]),
        Route("/event-source/{id:path}", read(sources.get)),
        Route("/event-source/{id:path}", admin(sources.replace), methods=["PUT"]),
        Route("/event-source/{id:path}", admin(sources.change), methods=["PATCH"]),
        Route("/event-source/{id:path}", admin(sources.remove), methods=["DELETE"]),
    ]


def with_not_allowed(routes: Iterable[Route]) -> Iterator[Route]:
    """The routes, and after those of each path one that answers all other methods: OPTIONS with 200, others with 405.

    Starlette alone would list the methods of one route in `Allow`, and would route `DELETE /profile/1/events` to the
    erasure of a profile with the id `1/events`.
    """
    for path, group in itertools.groupby(routes, lambda route: route.path):
        of_path = list(group)
        yield from of_path
        yield type(of_path[0])(
            path, OtherMethods({method for route in of_path for method in route.methods or ()} | {"OPTIONS"})
        )


class ByQuery(Route):
    """A route of requests that name a document in their query, `?id=`.

    Without it, the last word of the path is the id itself, and a later route matches: `/profile/events` is the profile
    with the id `events`.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and "id" not in QueryParams(scope["query_string"]):
            return Match.NONE, {}
        return super().matches(scope)


class OtherMethods:
    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = sorted(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "OPTIONS":
            raise method_not_allowed(self._allowed)
        await JSONResponse({}, headers={"Allow": ", ".join(self._allowed)})(scope, receive, send)
