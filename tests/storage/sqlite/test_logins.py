"""The rows of logins in a file: bounds, and what another tool may have written."""

from pathlib import Path

import pytest

from tests.support.database import execute, rows
from trackd.core.documents import Login, secret_hash
from trackd.core.login_changes import AddLogin
from trackd.storage.sqlite.logins import MAX_LOGINS
from trackd.storage.sqlite.store import SqliteStore

NOW, THEN, LATER = (f"2026-01-31T{hour}:00:00.000000Z" for hour in (10, 11, 12))


def login(number: int, inserted: str = NOW, expires: str = LATER) -> Login:
    return Login(f"login-{number}", secret_hash(str(number)), ("read",), inserted, expires)


def test_logins_that_have_expired_are_deleted_when_another_is_added(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([AddLogin(login(1, expires=THEN)), AddLogin(login(2))])
    store.commit([AddLogin(login(3, inserted=THEN))])
    store.close()
    assert [row["name"] for row in rows(tmp_path / "trackd.db", "SELECT name FROM login")] == ["login-2", "login-3"]


def test_the_oldest_logins_end_when_there_are_too_many(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([AddLogin(login(number)) for number in range(MAX_LOGINS + 5)])
    assert store.login(secret_hash("4")) is None
    assert store.login(secret_hash("5")) is not None
    store.close()


@pytest.mark.parametrize("column", ["name", "scopes", "inserted", "expires", "token_hash"])
def test_a_damaged_login_opens_nothing(tmp_path: Path, column: str) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([AddLogin(login(1))])
    store.close()
    execute(tmp_path / "trackd.db", f"UPDATE login SET {column} = x'00ff'")
    store = SqliteStore(tmp_path / "trackd.db")
    assert store.login(secret_hash("1")) is None
    store.close()
