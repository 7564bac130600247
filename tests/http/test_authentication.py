"""The authenticator by itself: tokens, scopes, and the limit on failures."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.payloads import bearer
from tests.support.serving import ADMIN_SECRET
from trackd.core.documents import Token, secret_hash
from trackd.http.authentication import KEPT_S, Authenticator
from trackd.http.errors import HttpError

OPEN_TO_ALL = {"/track", "/healthcheck", "/ready", "/openapi.json", "/docs", "/docs/{name}"}
READ_SECRET = "trackd_for-reading"
READER = Token("reader", secret_hash(READ_SECRET), ("read",))
OPERATOR = Token("operator", secret_hash(ADMIN_SECRET), ("admin",))
WRONG = bearer("trackd_wrong")


class Guarded:
    """Two endpoints behind an authenticator, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = [READER, OPERATOR]
        authenticator = Authenticator(lambda: self.tokens, lambda: self.now)
        self._endpoints = {
            "read": authenticator.read(self._endpoint),
            "admin": authenticator.admin(self._endpoint),
        }

    async def _endpoint(self, request: Request) -> Response:
        return JSONResponse("passed")

    async def refusal(
        self, authorization: str | None = None, scope: str = "read", address: str = "10.0.0.1"
    ) -> HttpError | None:
        """The error that refuses a request; None when it passes."""
        headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "client": (address, 1)})
        try:
            response = await self._endpoints[scope](request)
        except HttpError as error:
            return error
        assert response.body == b'"passed"'
        return None

    async def status(self, *arguments: Any, **more: Any) -> int:
        refusal = await self.refusal(*arguments, **more)
        return refusal.status_code if refusal else 200


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


@pytest.mark.parametrize(
    ("secret", "scope", "status"),
    [
        (READ_SECRET, "read", 200),
        (READ_SECRET, "admin", 403),
        (ADMIN_SECRET, "read", 200),
        (ADMIN_SECRET, "admin", 200),
    ],
)
async def test_a_token_passes_where_its_scope_is_required_and_admin_includes_read(
    guarded: Guarded, secret: str, scope: str, status: int
) -> None:
    assert await guarded.status(f"Bearer {secret}", scope=scope) == status


@pytest.mark.parametrize("shown", ["bearer {}", "BEARER {}", "Bearer  {} "])
async def test_the_scheme_may_be_written_in_any_case(guarded: Guarded, shown: str) -> None:
    assert await guarded.refusal(shown.format(READ_SECRET)) is None


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
async def test_requests_without_a_valid_token_are_refused_with_the_same_words(
    guarded: Guarded, shown: str | None
) -> None:
    refusal = await guarded.refusal(shown)
    assert refusal is not None
    assert (refusal.status_code, refusal.detail) == (401, "Not authenticated")
    assert refusal.headers == {"WWW-Authenticate": "Bearer"}


async def test_without_any_tokens_no_request_passes(guarded: Guarded) -> None:
    guarded.tokens = []
    assert await guarded.status(f"Bearer {ADMIN_SECRET}") == 401


async def test_a_revoked_token_stops_working_within_half_a_second(guarded: Guarded) -> None:
    assert await guarded.status(f"Bearer {READ_SECRET}") == 200
    guarded.tokens = [OPERATOR]
    guarded.now += KEPT_S
    assert await guarded.status(f"Bearer {READ_SECRET}") == 401


async def test_a_revoked_token_stops_working_while_it_is_in_use(guarded: Guarded) -> None:
    await guarded.status(f"Bearer {READ_SECRET}")
    guarded.tokens = [OPERATOR]
    for _ in range(3):
        guarded.now += KEPT_S / 2
        await guarded.status(f"Bearer {READ_SECRET}")
    assert await guarded.status(f"Bearer {READ_SECRET}") == 401


async def test_a_new_token_works_at_once(guarded: Guarded) -> None:
    guarded.tokens = [OPERATOR]
    assert await guarded.status(f"Bearer {READ_SECRET}") == 401
    guarded.tokens = [OPERATOR, READER]
    assert await guarded.status(f"Bearer {READ_SECRET}") == 200


async def test_the_refusal_of_a_token_without_the_scope_names_the_scope(guarded: Guarded) -> None:
    refusal = await guarded.refusal(f"Bearer {READ_SECRET}", scope="admin")
    assert refusal is not None
    assert "scope `admin`" in refusal.detail


async def test_an_address_may_fail_ten_times_and_then_once_a_second(guarded: Guarded) -> None:
    assert [await guarded.status("Bearer wrong") for _ in range(12)] == [401] * 10 + [429] * 2
    refusal = await guarded.refusal()
    assert refusal is not None
    assert refusal.headers == {"Retry-After": "1"}
    guarded.now += 1
    assert [await guarded.status() for _ in range(2)] == [401, 429]
    guarded.now += 3600
    assert [await guarded.status() for _ in range(11)] == [401] * 10 + [429]


async def test_a_valid_token_passes_from_an_address_that_failed_too_often_and_other_addresses_are_not_affected(
    guarded: Guarded,
) -> None:
    assert 429 in [await guarded.status("Bearer wrong") for _ in range(20)]
    assert await guarded.status(f"Bearer {READ_SECRET}") == 200
    assert await guarded.status("Bearer wrong") == 429
    assert await guarded.status("Bearer wrong", address="10.0.0.2") == 401


async def test_a_valid_token_without_the_scope_does_not_count_as_a_failure(guarded: Guarded) -> None:
    assert {await guarded.status(f"Bearer {READ_SECRET}", scope="admin") for _ in range(50)} == {403}
    assert await guarded.status("Bearer wrong") == 401


async def test_ten_thousand_other_addresses_do_not_reset_an_address_that_failed_too_often(guarded: Guarded) -> None:
    assert 429 in [await guarded.status("Bearer wrong") for _ in range(11)]
    for number in range(10_001):
        address = f"10.1.{number >> 8}.{number & 255}" if number % 2 else f"2001:db8:{number:x}::1"
        assert await guarded.status("Bearer wrong", address=address) == 401
    assert await guarded.status("Bearer wrong") == 429


@pytest.mark.parametrize("addresses", [["2001:db8::1", "2001:db8::2"], ["203.0.113.7", "::ffff:203.0.113.7"]])
async def test_addresses_of_one_client_share_its_limit(guarded: Guarded, addresses: list[str]) -> None:
    answers = [await guarded.status("Bearer wrong", address=addresses[n % 2]) for n in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert await guarded.status("Bearer wrong", address="2001:db8:0:1::1") == 401


async def test_texts_that_are_no_addresses_share_one_limit(guarded: Guarded) -> None:
    answers = [await guarded.status("Bearer wrong", address=f"{n}" * 60_000) for n in range(12)]
    assert answers == [401] * 10 + [429] * 2
