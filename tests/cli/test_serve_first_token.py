"""The token that `trackd serve` makes by itself: once in the life of a file, and printed once."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.payloads import bearer
from tests.support.process import Process
from trackd.core.documents import TokenScope, secret_hash
from trackd.storage.sqlite.tokens import Tokens

Serve = Callable[..., Process]


def test_the_first_token_is_for_administration_and_printed_once_and_not_logged(serve: Serve) -> None:
    server = serve()
    assert "".join(server.greeting).count(server.token) == 1
    with Tokens(server.db) as tokens:
        [token] = tokens.all()
    assert (token.name, token.hash, token.scopes) == ("first token", secret_hash(server.token), ("admin",))
    server.process.terminate()
    out, log = server.process.communicate(timeout=30)
    assert server.token not in out + log


def test_the_next_start_makes_no_token_and_the_first_is_still_valid(serve: Serve) -> None:
    first = serve()
    assert first.stop() == 0
    again = serve()
    assert again.token == ""
    assert httpx.get(f"{again.url}/info/version", headers=bearer(first.token), timeout=30).status_code == 200


def test_no_token_is_made_when_all_were_revoked(serve: Serve) -> None:
    first = serve()
    with Tokens(first.db) as tokens:
        tokens.revoke("first token")
    assert httpx.get(f"{first.url}/info/version", headers=bearer(first.token), timeout=30).status_code == 401
    first.stop()
    again = serve()
    assert again.token == ""
    assert httpx.get(f"{again.url}/info/version", headers=bearer(first.token), timeout=30).status_code == 401


@pytest.mark.parametrize("scope", TokenScope)
def test_no_token_is_made_when_one_exists(serve: Serve, tmp_path: Path, scope: TokenScope) -> None:
    with Tokens(tmp_path / "trackd.db", create=True) as tokens:
        secret = tokens.add("mine", [scope])
    server = serve()
    assert server.token == ""
    answer = httpx.get(f"{server.url}/info/version", headers=bearer(secret), timeout=30)
    assert answer.status_code == (200 if scope in (TokenScope.READ, TokenScope.ADMIN) else 403)
