import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import open_database
from trackd.core.documents import TokenScope, secret_hash
from trackd.storage.errors import TokenError
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.schema import migrations
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens

READ, ADMIN = TokenScope.READ, TokenScope.ADMIN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trackd.db"


@pytest.fixture
def tokens(path: Path) -> Iterator[Any]:
    with Tokens(path, create=True) as tokens:
        yield tokens


def test_a_secret_has_32_random_bytes_behind_a_known_prefix(tokens: Tokens) -> None:
    secrets = {tokens.add(f"token {n}", [READ]) for n in range(50)}

    assert len(secrets) == 50
    assert all(re.fullmatch(r"trackd_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_a_token_is_kept_with_the_hash_of_its_secret_and_its_scopes(tokens: Tokens) -> None:
    secret = tokens.add("operator", [READ, ADMIN])

    [token] = tokens.all()
    assert (token.name, token.hash, token.scopes) == ("operator", secret_hash(secret), ("read", "admin"))
    assert token.inserted != ""


def test_a_secret_is_nowhere_in_the_files(path: Path, tokens: Tokens) -> None:
    secret = tokens.add("operator", [ADMIN])

    files = list(path.parent.iterdir())
    assert any(secret_hash(secret).encode() in file.read_bytes() for file in files)
    assert not any(secret.removeprefix("trackd_").encode() in file.read_bytes() for file in files)


def test_all_tokens_are_listed_in_the_order_in_which_they_were_added(tokens: Tokens) -> None:
    for name in ("b", "c", "a"):
        tokens.add(name, [READ])

    assert [token.name for token in tokens.all()] == ["b", "c", "a"]


def test_a_name_is_given_once_and_again_when_it_was_revoked(tokens: Tokens) -> None:
    first = tokens.add("viewer", [READ])

    with pytest.raises(TokenError, match="There is a token viewer already: revoke it first"):
        tokens.add("viewer", [ADMIN])
    assert [token.hash for token in tokens.all()] == [secret_hash(first)]

    tokens.revoke("viewer")
    second = tokens.add("viewer", [READ])
    assert [token.hash for token in tokens.all()] == [secret_hash(second)]


def test_the_error_for_an_unknown_token_names_the_command_that_lists_all(tokens: Tokens) -> None:
    with pytest.raises(TokenError, match=r"There is no token unknown in .*trackd token list"):
        tokens.revoke("unknown")


def test_ever_made_stays_true_after_the_last_token_is_revoked(path: Path, tokens: Tokens) -> None:
    assert not tokens.ever_made()

    tokens.add("viewer", [READ])
    assert tokens.ever_made()
    tokens.revoke("viewer")

    assert tokens.all() == []
    with Tokens(path) as again:
        assert again.ever_made()


def test_an_open_store_sees_each_change(path: Path, tokens: Tokens) -> None:
    store = SqliteStore(path)

    tokens.add("viewer", [READ])
    assert store.tokens() == tokens.all() != []
    tokens.revoke("viewer")
    assert store.tokens() == []
    store.close()


def test_a_file_of_an_earlier_trackd_gets_the_table(path: Path) -> None:
    with open_database(path) as earlier:
        migrations.apply(earlier, stop_before="tokens")
        assert "token" not in earlier.table_names()

    with Tokens(path) as tokens:
        assert not tokens.ever_made()
        tokens.add("viewer", [READ])


def test_without_a_database_the_answer_is_a_sentence_and_no_file(path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database"):
        Tokens(path)
    assert not path.exists()
