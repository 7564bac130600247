from pathlib import Path

import pytest

from tests.support.database import open_database
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "t.db").close()
    return tmp_path / "t.db"


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("DROP TABLE merged", "merged"),
        ("ALTER TABLE session RENAME COLUMN updated TO updatee", "session"),
        ("DELETE FROM heartbeat", "heartbeat"),
        ("UPDATE sources_version SET version = 'x'", "sources_version"),
        ("UPDATE event_numbers SET used_up_to = x'00'", "event_numbers"),
        ("UPDATE event_numbers SET used_up_to = -5", "event_numbers"),
        ("UPDATE tokens_made SET number = CAST(x'ff' AS TEXT)", "tokens_made"),
    ],
)
def test_a_file_without_what_every_call_needs_is_refused_with_its_table(file: Path, damage: str, table: str) -> None:
    open_database(file).execute(damage)

    with pytest.raises(DatabaseError, match=rf"t\.db is damaged, its table {table} cannot be used \(.+\): restore"):
        SqliteStore(file)


def test_what_other_tools_add_is_no_fault(file: Path) -> None:
    db = open_database(file)
    db.execute("ALTER TABLE source ADD COLUMN owner TEXT")
    db.execute("CREATE TABLE notes (x)")
    db.execute("CREATE INDEX other ON event (profile_id)")

    SqliteStore(file).close()
