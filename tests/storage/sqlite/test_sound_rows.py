"""Damaged rows of sources, tokens and jobs: they are left out, and the others are read."""

import pytest

from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.core.documents import Token, TokenScope
from trackd.core.jobs import AddJob

NOT_UTF_8 = "CAST(x'ff' AS TEXT)"


@pytest.fixture
def filled(sqlite_backend: SqliteBackend, make: type[Make]) -> SqliteBackend:
    for name in ("one", "two"):
        sqlite_backend.put_source(make.source(name))
        sqlite_backend.put_token(Token(name, name, (TokenScope.READ,), make.now))
    sqlite_backend.store.commit([AddJob("one", {}, make.now), AddJob("two", {}, make.now)])
    return sqlite_backend


@pytest.mark.parametrize(
    "damage",
    [
        f"name = {NOT_UTF_8}",
        "name = x'00'",
        "origins = '['",
        "origins = '[1]'",
        "tags = 'null'",
        "rate_limit = 'x'",
        f"updated = {NOT_UTF_8}",
    ],
)
def test_a_damaged_source_is_left_out_and_known_as_damaged(
    filled: SqliteBackend, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    filled.db.execute(f"UPDATE source SET {damage} WHERE id = 'one'")

    for _ in range(3):
        assert [source.id for source in filled.store.sources()] == ["two"]
    assert filled.store.is_damaged_source("one")
    assert not filled.store.is_damaged_source("two")
    assert not filled.store.is_damaged_source("three")
    assert len(caplog.records) == 1
    assert "the source one is left out" in caplog.text

    filled.db.execute(
        "UPDATE source SET name = 'x', origins = '[]', tags = '[]', rate_limit = NULL, updated = '' WHERE id = 'one'"
    )
    assert [source.id for source in filled.store.sources()] == ["one", "two"]
    assert not filled.store.is_damaged_source("one")


@pytest.mark.parametrize("damage", [f"scopes = {NOT_UTF_8}", "scopes = x'00'", "hash = x'00'"])
def test_a_damaged_token_is_left_out(filled: SqliteBackend, damage: str) -> None:
    filled.db.execute(f"UPDATE token SET {damage} WHERE name = 'one'")

    assert [token.name for token in filled.store.tokens()] == ["two"]


@pytest.mark.parametrize(
    "damage", [f"kind = {NOT_UTF_8}", "arguments = '{'", "position = '[]'", "state = 'x'", "done = 'x'", "result = ''"]
)
def test_a_damaged_job_is_left_out(filled: SqliteBackend, damage: str) -> None:
    filled.db.execute(f"UPDATE job SET {damage} WHERE kind = 'one'")

    assert [job.kind for job in filled.store.jobs()] == ["two"]
