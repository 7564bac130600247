"""The headers that every answer has: its processing time, those that browsers and caches obey, and those of CORS."""

import re
import time
from collections.abc import Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trackd.http.body import headers_of
from trackd.http.cors import Cors, cors_headers
from trackd.http.paths import paths_of, route_path

TRACK = "/track"
SCRIPT = "/tracker.js"
PUBLIC = frozenset({TRACK, SCRIPT, "/healthcheck", "/ready"})
FOR_PAGES = frozenset({TRACK, SCRIPT})
NO_SNIFF = (b"x-content-type-options", b"nosniff")
NO_STORE = (b"cache-control", b"no-store")  # of all answers that have no other: nearly all have personal data
ANY_PAGE = (b"cross-origin-resource-policy", b"cross-origin")  # for pages that isolate themselves
VARY = (b"vary", b"Origin")
TRACK_HEADERS = (NO_SNIFF, NO_STORE, ANY_PAGE, VARY)
"""Those of each answer of `/track`, for answers that bypass `CommonHeaders`."""
TARGET = re.compile(rb"(?i:https?://[^/?#]*)?(/[^?#]*)?")

RawHeaders = Iterable[tuple[bytes, bytes]]


def path_of(target: bytes) -> bytes:
    """The path of a request with a faulty head, that of `/track` if its target has none."""
    found = TARGET.match(target)
    return found[1] if found and found[1] else TRACK.encode()


class CommonHeaders:
    """Adds the headers to each answer. `x-process-time` are the seconds from the request's head to the answer's.

    Only requests with an `Origin` header pass through `Cors`. Others need `vary: Origin` alone, which is cheaper.
    `origins` are those whose pages may use the endpoints that are not public.
    """

    def __init__(self, app: ASGIApp, root_path: str = "", origins: Sequence[str] = ()) -> None:
        self._app = app
        self._root_path = root_path
        self._for_any_page = Cors(app)
        self._for_named_pages = Cors(app, origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        path = route_path(scope, self._root_path).removesuffix("/")
        from_browser = b"origin" in headers_of(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), NO_SNIFF]
                headers.append((b"x-process-time", b"%.6f" % (time.perf_counter() - began)))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                if path in FOR_PAGES:
                    headers.append(ANY_PAGE)
                if not from_browser:
                    headers.append(VARY)
                message["headers"] = headers
            await send(message)

        app = self._app
        if from_browser:
            app = self._for_any_page if path in PUBLIC else self._for_named_pages
        await app(scope, receive, send_with_headers)


class RefusalHeaders:
    """The headers that `CommonHeaders` adds, for requests that a connection refuses before they are complete.

    A request whose path is unknown counts as one to `/track`: without the CORS headers a page can read neither the
    status nor `Retry-After`. They need the request's `Origin`.
    """

    def __init__(self, root_path: str = "", origins: Sequence[str] = ()) -> None:
        self._track = paths_of(TRACK, root_path)
        self._for_pages = frozenset[str]().union(*(paths_of(path, root_path) for path in FOR_PAGES))
        self._public = frozenset[str]().union(*(paths_of(path, root_path) for path in PUBLIC))
        self._origins = frozenset(origin.encode() for origin in origins)

    def is_track(self, target: bytes) -> bool:
        """Whether the path is known to be that of `/track`."""
        return bool(target) and path_of(target).decode("latin-1") in self._track

    def of(self, target: bytes, request_headers: RawHeaders) -> RawHeaders:
        """`target` and `request_headers`: as far as they have arrived."""
        path = path_of(target).decode("latin-1")
        headers = [NO_SNIFF, NO_STORE, VARY, *([ANY_PAGE] if path in self._for_pages else [])]
        origins = [value for name, value in request_headers if name == b"origin"]
        if origins and path in self._public:
            headers += cors_headers(origins[-1], credentials=True)
        elif origins and origins[-1] in self._origins:
            headers += cors_headers(origins[-1], credentials=False)
        return headers
