"""Tokens that two programs make at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.polling import wait_until
from tests.support.stores import PostgresBackend
from trackd.core.documents import TokenScope
from trackd.storage.errors import TokenError
from trackd.storage.postgres.tokens import PostgresTokens

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_of_two_tokens_of_one_name_the_second_one_is_not_shown(postgres_backend: PostgresBackend) -> None:
    shown: list[str] = []
    with (
        PostgresTokens(postgres_backend.url) as tokens,
        PostgresTokens(postgres_backend.url) as others,
        ThreadPoolExecutor(1) as threads,
    ):

        def show(secret: str) -> None:
            shown.append(secret)
            if len(shown) == 1:
                second.append(threads.submit(others.add, "first", [TokenScope.READ], show=show))
                wait_until(lambda: postgres_backend.db.rows(WAITING) == [(1,)])

        second: list[object] = []
        secret = tokens.add("first", [TokenScope.READ], show=show)

        with pytest.raises(TokenError, match="There is a token first already"):
            second[0].result()  # type: ignore[attr-defined]
    assert shown == [secret]
