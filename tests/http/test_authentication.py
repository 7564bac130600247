"""The authenticator by itself: tokens, scopes, and the limit on failures."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.payloads import bearer
from tests.support.serving import ADMIN_SECRET
from trackd.core.documents import Token, secret_hash, timestamp
from trackd.http.authentication import KEPT_S, UNKNOWN_READ_EVERY_S, Authenticator
from trackd.http.errors import HttpError

OPEN_TO_ALL = {"/track", "/tracker.js", "/healthcheck", "/ready", "/openapi.json", "/docs", "/docs/{name}"}
READ_SECRET = "trackd_for-reading"
READER = Token("reader", secret_hash(READ_SECRET), ("read",))
OPERATOR = Token("operator", secret_hash(ADMIN_SECRET), ("admin",))
WRONG = bearer("trackd_wrong")


class Guarded:
    """Two endpoints behind an authenticator, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = [READER, OPERATOR]
        self.date = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.uses: list[tuple[str, str]] = []  # that were written: the token's name, and the time
        self.reads = 0
        authenticator = Authenticator(
            self._read,
            lambda: self.now,
            lambda: self.date,
            lambda token, used: self.uses.append((token.name, used)),
            self._sleep,
        )
        self._endpoints = {
            "read": authenticator.read(self._endpoint),
            "metrics": authenticator.metrics(self._endpoint),
            "erase": authenticator.erase(self._endpoint),
            "admin": authenticator.admin(self._endpoint),
        }

    def _read(self) -> list[Token]:
        self.reads += 1
        return self.tokens

    async def _sleep(self, seconds: float) -> None:
        """Others run meanwhile."""
        due = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, due)

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
    ("scopes", "opened"),
    [
        (("read",), {"read", "metrics"}),
        (("metrics",), {"metrics"}),
        (("erase",), {"erase"}),
        (("admin",), {"read", "metrics", "erase", "admin"}),
        (("metrics", "erase"), {"metrics", "erase"}),
        ((), set()),
        (("owner", "READ", "reader"), set()),
    ],
)
async def test_a_token_opens_its_scopes_read_includes_metrics_and_admin_all(
    guarded: Guarded, scopes: tuple[str, ...], opened: set[str]
) -> None:
    guarded.tokens = [Token("t", secret_hash(READ_SECRET), scopes)]
    for scope in ("read", "metrics", "erase", "admin"):
        status = await guarded.status(f"Bearer {READ_SECRET}", scope=scope)
        assert status == (200 if scope in opened else 403), scope


async def test_a_token_passes_until_it_expires_also_while_it_is_cached(guarded: Guarded) -> None:
    guarded.tokens = [replace(READER, expires=timestamp(guarded.date + timedelta(seconds=1))), OPERATOR]
    assert await guarded.status(f"Bearer {READ_SECRET}") == 200
    guarded.date += timedelta(microseconds=999_999)
    assert await guarded.status(f"Bearer {READ_SECRET}") == 200
    guarded.date += timedelta(microseconds=1)
    refusal = await guarded.refusal(f"Bearer {READ_SECRET}")
    assert refusal is not None
    assert (refusal.status_code, refusal.headers) == (401, {"WWW-Authenticate": "Bearer"})
    assert refusal.detail.startswith("The token expired at 2026-01-31T12:00:01.000000Z: `trackd token new ")
    assert refusal.note == "a request with the token `reader`"
    assert await guarded.status(f"Bearer {ADMIN_SECRET}") == 200


async def test_an_expired_token_does_not_count_as_a_failure(guarded: Guarded) -> None:
    guarded.tokens = [replace(READER, expires="2026-01-01T00:00:00.000000Z")]
    refusals = [await guarded.refusal(f"Bearer {READ_SECRET}") for _ in range(50)]
    assert {refusal.status_code for refusal in refusals if refusal} == {401}
    assert guarded.uses == []


async def test_the_use_of_a_token_is_written_once_an_hour(guarded: Guarded) -> None:
    for minutes in range(0, 150, 10):
        guarded.date = datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(minutes=minutes)
        guarded.now += 600
        await guarded.status(f"Bearer {READ_SECRET}")
    assert guarded.uses == [("reader", f"2026-01-31T{hour}:00:00.000000Z") for hour in (12, 13, 14)]
    await guarded.status(f"Bearer {ADMIN_SECRET}", scope="erase")
    await guarded.status(f"Bearer {READ_SECRET}", scope="admin")
    await guarded.status("Bearer wrong")
    assert [name for name, _ in guarded.uses] == ["reader"] * 3 + ["operator"]


@pytest.mark.parametrize(
    ("used", "written"),
    [
        (None, True),
        ("2026-01-31T11:00:00.000000Z", True),
        ("2026-01-31T11:00:00.000001Z", False),
        ("2026-01-31T12:30:00.000000Z", False),
        ("2027-01-01T00:00:00.000000Z", True),  # the clock was wrong then
    ],
)
async def test_a_use_that_is_stored_for_this_hour_is_not_written_again_after_a_start(
    guarded: Guarded, used: str | None, written: bool
) -> None:
    guarded.tokens = [replace(READER, used=used)]
    assert await guarded.status(f"Bearer {READ_SECRET}") == 200
    assert bool(guarded.uses) == written


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


async def test_requests_with_unknown_tokens_share_a_reading_and_a_new_token_works_beside_them(guarded: Guarded) -> None:
    began = guarded.now
    for number in range(20):
        clients = [guarded.status(f"Bearer {number}", address=f"10.1.{number}.{client}") for client in range(50)]
        assert set(await asyncio.gather(*clients)) == {401}
    assert guarded.reads <= 1 + (guarded.now - began) / UNKNOWN_READ_EVERY_S + 1e-6
    new = Token("new", secret_hash("trackd_new"), ("read",))
    made_up = [asyncio.create_task(guarded.status(f"Bearer {n}", address=f"10.2.0.{n}")) for n in range(50)]
    guarded.tokens = [*guarded.tokens, new]
    assert await guarded.status("Bearer trackd_new") == 200
    assert set(await asyncio.gather(*made_up)) == {401}


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
    assert 429 in [await guarded.status() for _ in range(20)]
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
        assert await guarded.status(address=address) == 401
    assert await guarded.status("Bearer wrong") == 429


@pytest.mark.parametrize("addresses", [["2001:db8::1", "2001:db8::2"], ["203.0.113.7", "::ffff:203.0.113.7"]])
async def test_addresses_of_one_client_share_its_limit(guarded: Guarded, addresses: list[str]) -> None:
    answers = [await guarded.status("Bearer wrong", address=addresses[n % 2]) for n in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert await guarded.status("Bearer wrong", address="2001:db8:0:1::1") == 401


async def test_texts_that_are_no_addresses_share_one_limit(guarded: Guarded) -> None:
    answers = [await guarded.status("Bearer wrong", address=f"{n}" * 60_000) for n in range(12)]
    assert answers == [401] * 10 + [429] * 2
