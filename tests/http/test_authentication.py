"""Who may ask what: the guard alone, and over real sockets with both stores."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.payloads import bearer, payload
from tests.support.serving import ADMIN_SECRET, application_routes, serving
from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.http.authentication import KEPT_S, MAX_ADDRESSES, Authenticator, Failures, RequireScope
from trackd.http.errors import HttpError
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens

OPEN_TO_ALL = {"/track", "/healthcheck", "/ready", "/openapi.json", "/docs", "/docs/{name}"}
READ_SECRET = "trackd_for-reading"
READER = Token("reader", secret_hash(READ_SECRET), ("read",))
OPERATOR = Token("operator", secret_hash(ADMIN_SECRET), ("admin",))
WRONG = bearer("trackd_wrong")


class Door:
    """A guard before two endpoints, at a time of the test's choice."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = [READER, OPERATOR]
        guard = Authenticator(lambda: self.tokens, lambda: self.now)
        self._ways = {"read": guard.read(self._endpoint), "admin": guard.admin(self._endpoint)}

    async def _endpoint(self, request: Request) -> Response:
        return JSONResponse("inside")

    async def knock(
        self, authorization: str | None = None, scope: str = "read", address: str = "10.0.0.1"
    ) -> HttpError | None:
        """What refuses the request; None when it passes."""
        headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "client": (address, 1)})
        try:
            response = await self._ways[scope](request)
        except HttpError as error:
            return error
        assert response.body == b'"inside"'
        return None

    async def status(self, *arguments: Any, **more: Any) -> int:
        refusal = await self.knock(*arguments, **more)
        return refusal.status_code if refusal else 200


async def _awaited(answer: Any) -> Response:
    response: Response = await answer
    return response


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(
    ("secret", "scope", "status"),
    [
        (READ_SECRET, "read", 200),
        (READ_SECRET, "admin", 403),
        (ADMIN_SECRET, "read", 200),
        (ADMIN_SECRET, "admin", 200),
    ],
)
async def test_a_token_opens_what_its_scope_says_and_admin_includes_read(
    door: Door, secret: str, scope: str, status: int
) -> None:
    assert await door.status(f"Bearer {secret}", scope=scope) == status


@pytest.mark.parametrize("shown", ["bearer {}", "BEARER {}", "Bearer  {} "])
async def test_the_scheme_may_be_written_in_any_case(door: Door, shown: str) -> None:
    assert await door.knock(shown.format(READ_SECRET)) is None


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        READ_SECRET,
        f"Basic {READ_SECRET}",
        f"Bearer{READ_SECRET}",
        f"Bearer {READ_SECRET[:-1]}",
        f"Bearer {READ_SECRET} x",
        f"Bearer {READER.hash}",
        "Bearer \xe9\x00",
    ],
)
async def test_what_is_no_right_token_is_refused_with_the_same_words(door: Door, shown: str | None) -> None:
    refusal = await door.knock(shown)
    assert refusal is not None
    assert (refusal.status_code, refusal.detail) == (401, "Not authenticated")
    assert refusal.headers == {"WWW-Authenticate": "Bearer"}


async def test_without_any_tokens_nobody_passes(door: Door) -> None:
    door.tokens = []
    assert await door.status(f"Bearer {ADMIN_SECRET}") == 401


async def test_a_revoked_token_stops_working_within_half_a_second(door: Door) -> None:
    assert await door.status(f"Bearer {READ_SECRET}") == 200
    door.tokens = [OPERATOR]
    door.now += KEPT_S
    assert await door.status(f"Bearer {READ_SECRET}") == 401


async def test_a_revoked_token_does_not_go_on_because_it_is_used(door: Door) -> None:
    await door.status(f"Bearer {READ_SECRET}")
    door.tokens = [OPERATOR]
    for _ in range(3):
        door.now += KEPT_S / 2
        await door.status(f"Bearer {READ_SECRET}")
    assert await door.status(f"Bearer {READ_SECRET}") == 401


async def test_a_new_token_works_at_once(door: Door) -> None:
    door.tokens = [OPERATOR]
    assert await door.status(f"Bearer {READ_SECRET}") == 401
    door.tokens = [OPERATOR, READER]
    assert await door.status(f"Bearer {READ_SECRET}") == 200


async def test_a_token_that_opens_too_little_is_told_the_scope_that_is_needed(door: Door) -> None:
    refusal = await door.knock(f"Bearer {READ_SECRET}", scope="admin")
    assert refusal is not None
    assert "scope `admin`" in refusal.detail


async def test_an_address_may_fail_ten_times_and_then_once_a_second(door: Door) -> None:
    assert [await door.status("Bearer wrong") for _ in range(12)] == [401] * 10 + [429] * 2
    refusal = await door.knock()
    assert refusal is not None
    assert refusal.headers == {"Retry-After": "1"}
    door.now += 1
    assert [await door.status() for _ in range(2)] == [401, 429]
    door.now += 3600
    assert [await door.status() for _ in range(11)] == [401] * 10 + [429]


async def test_a_right_token_passes_from_an_address_that_fails_and_other_addresses_notice_nothing(door: Door) -> None:
    while await door.status("Bearer wrong") != 429:
        pass
    assert await door.status(f"Bearer {READ_SECRET}") == 200
    assert await door.status("Bearer wrong") == 429
    assert await door.status("Bearer wrong", address="10.0.0.2") == 401


async def test_a_right_token_that_opens_too_little_is_no_failure_to_authenticate(door: Door) -> None:
    assert {await door.status(f"Bearer {READ_SECRET}", scope="admin") for _ in range(50)} == {403}
    assert await door.status("Bearer wrong") == 401


def test_of_the_addresses_that_fail_only_the_last_are_remembered() -> None:
    failures = Failures(lambda: 1000.0)
    for _ in range(11):
        failures.wait("first")
    for number in range(MAX_ADDRESSES - 1):
        failures.wait(f"address {number}")
    assert failures.wait("first") > 0
    for number in range(3 * MAX_ADDRESSES):
        failures.wait(f"another {number}")
    assert len(failures._buckets) == MAX_ADDRESSES
    assert failures.wait("first") == 0


async def test_a_forwarded_address_of_any_length_is_remembered_short(door: Door) -> None:
    refusal = await door.knock(address="x" * 60_000)
    assert refusal is not None
    assert refusal.note == f"a request from {'x' * 64}"


def memory() -> MemoryStore:
    store = MemoryStore()
    store.put_token(READER)
    store.put_token(OPERATOR)
    return store


@pytest.mark.parametrize("headers", [{}, WRONG, {"Authorization": "Basic eDp5"}], ids=["none", "wrong", "basic"])
async def test_a_refusal_has_the_shape_and_headers_of_every_error(headers: dict[str, str]) -> None:
    async with serving(memory()) as client:
        answer = await client.get("/info/version", headers=headers | {"origin": "https://shop.example"})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "x-process-time" in answer.headers


async def test_a_token_made_beside_the_running_server_works_at_once_and_revoked_stops_soon(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"

    async with serving(SqliteStore(path)) as client:
        with Tokens(path) as tokens:
            for _ in range(3):
                secret = tokens.add("viewer", [TokenScope.READ])
                assert (await client.get("/info/version", headers=bearer(secret))).status_code == 200
                tokens.revoke("viewer")
                asked = time.monotonic()
                while (await client.get("/info/version", headers=bearer(secret))).status_code == 200:
                    assert time.monotonic() < asked + 10
                assert (await client.get("/info/version", headers=bearer(secret))).status_code == 401


async def test_a_flood_of_wrong_tokens_is_told_to_wait_and_a_right_one_still_passes() -> None:
    async with serving(memory()) as client:
        flood = await asyncio.gather(*(client.get("/info/version", headers=WRONG) for _ in range(200)))
        statuses = [answer.status_code for answer in flood]
        assert set(statuses) == {401, 429}
        assert statuses.count(401) < 50
        [refused, *_] = [answer for answer in flood if answer.status_code == 429]
        assert int(refused.headers["retry-after"]) >= 1
        assert set(refused.json()) == {"detail"}
        assert (await client.get("/info/version", headers=bearer(READ_SECRET))).status_code == 200
        assert (await client.post("/track", json=payload("s"))).json() == {
            "detail": "Invalid event source `test-source`."
        }


async def test_refused_tokens_are_logged_once_for_each_class_and_never_themselves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "trackd"):
        async with serving(memory()) as client:
            for number in range(4):
                await client.get("/info/version", headers=bearer(f"trackd_wrong-{number}"))
                await client.get("/info/version")
    assert caplog.messages == [
        "refused with 401, unknown token: a request from 127.0.0.1",
        "refused with 401, no token: a request from 127.0.0.1",
    ]


async def test_the_version_says_what_runs() -> None:
    async with serving(MemoryStore(), admin=True) as client:
        answer = await client.get("/info/version")
        assert answer.status_code == 200
        assert set(answer.json()) == {"version", "python", "sqlite", "thespian"}


class UnreadableStore(MemoryStore):
    def tokens(self) -> list[Token]:
        raise StoreError("cannot read: disk I/O error")


async def test_503_when_the_store_cannot_be_read_and_why_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(UnreadableStore()) as client:
        answer = await client.get("/info/version", headers=bearer(READ_SECRET))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "disk" not in answer.json()["detail"]
    assert "refused with 503, store unreadable: cannot read: disk I/O error" in caplog.messages


def all_routes() -> list[tuple[str, str, TokenScope | None]]:
    """Each method and path of the application, with the scope that it needs."""
    return [
        (method, route.path, route.endpoint.required_scope if isinstance(route.endpoint, RequireScope) else None)
        for route in application_routes()
        for method in sorted(route.methods or ["GET", "POST", "PUT", "DELETE"])
    ]


def test_every_route_needs_a_token_but_those_that_are_meant_for_all() -> None:
    assert {path for _, path, needs in all_routes() if needs is None} == OPEN_TO_ALL


def test_what_changes_something_needs_an_admin_token() -> None:
    for method, path, needs in all_routes():
        assert path in OPEN_TO_ALL or method in ("GET", "HEAD") or needs is TokenScope.ADMIN, f"{method} {path}"


@pytest.mark.parametrize(("method", "path", "needs"), [route for route in all_routes() if route[2] is not None])
async def test_no_token_a_wrong_one_and_one_that_opens_too_little_are_refused_on_every_route(
    method: str, path: str, needs: TokenScope
) -> None:

    async with serving(memory()) as client:
        url = path.replace("{", "").replace("}", "")
        for headers in ({}, WRONG, {"Authorization": READ_SECRET}):
            answer = await client.request(method, url, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert method == "HEAD" or answer.json() == {"detail": "Not authenticated"}
        answer = await client.request(method, url, headers=bearer(READ_SECRET))
        assert (answer.status_code == 403) == (needs is TokenScope.ADMIN)
        answer = await client.request(method, url, headers=bearer(ADMIN_SECRET))
        assert answer.status_code not in (401, 403, 405)
