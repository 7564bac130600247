"""Every route requires the scope that it should."""

import pytest
from starlette.routing import Route

from tests.support.payloads import bearer
from tests.support.serving import ADMIN_SECRET, application_routes, serving
from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.http.authentication import RequireScope
from trackd.http.routes import ByQuery
from trackd.storage.memory import MemoryStore

PUBLIC = {"/track", "/tracker.js", "/healthcheck", "/ready", "/openapi.json", "/docs", "/docs/{name}"}
READ_SECRET = "trackd_for-reading"


def address(route: Route) -> str:
    return f"{route.path}?id=x" if isinstance(route, ByQuery) else route.path


def all_routes() -> list[tuple[str, str, TokenScope | None]]:
    """Each method and path of the application, with the scope that it requires."""
    return [
        (method, address(route), route.endpoint.required_scope if isinstance(route.endpoint, RequireScope) else None)
        for route in application_routes()
        for method in sorted(route.methods or ["GET", "POST", "PUT", "PATCH", "DELETE"])
    ]


def test_every_route_requires_a_token_except_the_public_ones() -> None:
    assert {path for _, path, scope in all_routes() if scope is None} == PUBLIC


def test_routes_that_change_data_require_an_admin_token_or_one_that_erases_profiles_alone() -> None:
    for method, path, scope in all_routes():
        is_erasure = method == "DELETE" and path.startswith("/profile")
        needed = TokenScope.ERASE if is_erasure else TokenScope.ADMIN
        assert path in PUBLIC or method in ("GET", "HEAD") or scope is needed, f"{method} {path}"


def test_only_the_metrics_are_open_to_a_token_for_metrics() -> None:
    assert {path for _, path, scope in all_routes() if scope is TokenScope.METRICS} == {"/metrics"}


@pytest.mark.parametrize(("method", "path", "scope"), [route for route in all_routes() if route[2] is not None])
async def test_requests_without_a_token_of_the_scope_are_refused_on_every_route(
    method: str, path: str, scope: TokenScope
) -> None:
    store = MemoryStore()
    store.put_token(Token("reader", secret_hash(READ_SECRET), (TokenScope.READ,)))

    async with serving(store, admin=True) as client:
        del client.headers["authorization"]
        url = path.replace("{", "").replace("}", "")
        for headers in ({}, bearer("trackd_wrong"), {"Authorization": READ_SECRET}):
            answer = await client.request(method, url, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert method == "HEAD" or answer.json() == {"detail": "Not authenticated"}
        answer = await client.request(method, url, headers=bearer(READ_SECRET))
        assert (answer.status_code == 403) == (scope in (TokenScope.ADMIN, TokenScope.ERASE))
        answer = await client.request(method, url, headers=bearer(ADMIN_SECRET))
        assert answer.status_code not in (401, 403, 405)
