"""The sentences for SQLite's errors."""

from pathlib import Path

import pytest

from trackd.storage.sqlite.connection import DatabaseError, connect, database_errors


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT * FROM missing", "trackd.db cannot be used: no such table: missing."),
        (None, "trackd.db cannot be used: The connection has been closed."),
    ],
)
def test_an_error_of_sqlite_becomes_a_sentence_with_one_dot(
    tmp_path: Path, statement: str | None, sentence: str
) -> None:
    connection = connect(tmp_path / "trackd.db", mode="rwc")
    if statement is None:
        connection.close()

    with pytest.raises(DatabaseError) as raised, database_errors(tmp_path / "trackd.db"):
        connection.execute(statement or "SELECT 1")

    assert str(raised.value) == f"{tmp_path}/{sentence}"
    connection.close()
