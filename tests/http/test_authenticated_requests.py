"""Authentication over real sockets, with both stores."""

import asyncio
import logging
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.payloads import bearer, payload
from tests.support.polling import eventually
from tests.support.serving import ADMIN_SECRET, serving
from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens

READ_SECRET = "trackd_for-reading"
WRONG = bearer("trackd_wrong")


def store_with_tokens() -> MemoryStore:
    store = MemoryStore()
    store.put_token(Token("reader", secret_hash(READ_SECRET), (TokenScope.READ,)))
    store.put_token(Token("operator", secret_hash(ADMIN_SECRET), (TokenScope.ADMIN,)))
    return store


@pytest.mark.parametrize("headers", [{}, WRONG, {"Authorization": "Basic eDp5"}], ids=["none", "wrong", "basic"])
async def test_a_refusal_has_the_format_and_the_headers_of_every_error(headers: dict[str, str]) -> None:
    async with serving(store_with_tokens()) as client:
        answer = await client.get("/info/version", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "x-process-time" in answer.headers


async def is_refused(client: httpx.AsyncClient, secret: str) -> bool:
    return (await client.get("/info/version", headers=bearer(secret))).status_code == 401


async def test_a_token_made_while_the_server_runs_works_at_once_and_stops_soon_after_it_is_revoked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "trackd.db"

    async with serving(SqliteStore(path)) as client:
        with Tokens(path) as tokens:
            for _ in range(3):
                secret = tokens.add("viewer", [TokenScope.READ])
                assert (await client.get("/info/version", headers=bearer(secret))).status_code == 200
                tokens.revoke("viewer")
                await eventually(partial(is_refused, client, secret), "the revoked token is refused", within_s=10)


async def test_a_flood_of_wrong_tokens_gets_429_and_a_valid_token_still_passes() -> None:
    async with serving(store_with_tokens()) as client:
        flood = await asyncio.gather(*(client.get("/info/version", headers=WRONG) for _ in range(80)))
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


async def test_refusals_are_logged_once_for_each_class_and_without_the_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "trackd"):
        async with serving(store_with_tokens()) as client:
            for number in range(4):
                await client.get("/info/version", headers=bearer(f"trackd_wrong-{number}"))
                await client.get("/info/version")
    assert caplog.messages == [
        "refused with 401, unknown token: Not authenticated (from 127.0.0.1 in 127.0.0.0/24)",
        "refused with 401, no token: Not authenticated (from 127.0.0.1 in 127.0.0.0/24)",
    ]


async def test_503_when_the_store_cannot_be_read_and_the_cause_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    store = FaultyStore(fail={"tokens": StoreError("cannot read: disk I/O error")})

    async with serving(store) as client:
        answer = await client.get("/info/version", headers=bearer(READ_SECRET))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "disk" not in answer.json()["detail"]
    assert any("refused with 503, store unreadable: cannot read: disk I/O error" in line for line in caplog.messages)
