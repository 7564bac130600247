"""The paths of requests: a prefix that a proxy does not strip, a slash at the end, and encoded slashes within ids."""

import re
from collections.abc import Collection
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

ENDS_WITH_SLASH = "trackd.ends_with_slash"  # in the scope: whether the path of the request has a slash at its end
REQUESTED_PREFIX = "trackd.prefix"  # in the scope: the part of the path before that of the route
SIGNIFICANT = re.compile(r"%(25|2[fF])")  # an encoded percent sign or slash


def paths_of(path: str, prefix: str) -> frozenset[str]:
    """The forms of a path that name the same endpoint, behind the prefix and without it."""
    return frozenset(f"{before}{path}{after}" for before in ("", prefix) for after in ("", "/"))


def is_path(scope: Scope, paths: Collection[str]) -> bool:
    """Whether the path of a request is one of these, without encoded slashes: they make another path."""
    return scope["path"] in paths and b"%2f" not in scope.get("raw_path", b"").lower()


def path_parameter(value: str) -> str:
    """The text of a parameter of a route, whose slashes and percent signs may be encoded as in `RoutePaths`."""
    return value.replace("%2F", "/").replace("%25", "%")


def route_path(scope: Scope, prefix: str) -> str:
    """The path of a request without its prefix. Encoded slashes and percent signs stay encoded."""
    path = _encoded_path(scope)
    for before in (scope.get("root_path", ""), prefix):  # that of an outer application, and the setting
        if before and path.startswith(f"{_encode(before)}/"):
            path = path.removeprefix(_encode(before))
    return path


class RoutePaths:
    """Hands requests on with the path that the routes have, in which encoded slashes are still encoded.

    So `/profile/a%2Fevents` is the profile with the id `a/events`, and `/profile/a/events/` a list of events.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._with_route_path(scope)
        await self._app(scope, receive, send)

    def _with_route_path(self, scope: Scope) -> Scope:
        path = route_path(scope, self._prefix)
        before = _encoded_path(scope).removesuffix(path)
        ends_with_slash = path.endswith("/")
        if path == self._prefix != "":
            before, path = path, "/"
        elif ends_with_slash and path != "/":
            path = path[:-1]
        marks = {ENDS_WITH_SLASH: ends_with_slash, REQUESTED_PREFIX: before}
        return {**scope, **marks, "path": path, "root_path": ""}


def _encoded_path(scope: Scope) -> str:
    """The path with `%2F` and `%25` for slashes and percent signs that were encoded."""
    path: str = scope["path"]
    raw = scope.get("raw_path", b"").decode("latin-1")
    if "%" in raw and unquote(raw) == path:  # an outer application may have changed one of them alone
        return unquote(SIGNIFICANT.sub(lambda match: f"%25{match[1].upper()}", raw))
    return _encode(path)


def _encode(path: str) -> str:
    return path.replace("%", "%25")
