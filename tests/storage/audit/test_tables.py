import pytest

from tests.support.stores import SqliteBackend
from trackd.storage.audit.audit import audit
from trackd.storage.audit.tables import COUNTS, TABLES


def places(backend: SqliteBackend) -> list[str]:
    return [where for each in audit(backend.path, [TABLES, COUNTS]) for where, _ in each.first]


def test_tables_of_trackd_are_sound_and_so_are_those_with_more_in_them(sqlite_backend: SqliteBackend) -> None:
    assert places(sqlite_backend) == []

    sqlite_backend.db.execute("ALTER TABLE source ADD COLUMN owner TEXT")
    sqlite_backend.db.execute("CREATE INDEX other ON event (profile_id)")
    sqlite_backend.db.execute("CREATE TABLE notes (x)")

    assert places(sqlite_backend) == []


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ("DROP TABLE pii", "pii"),
        ("ALTER TABLE session RENAME COLUMN updated TO updatee", "session"),
        ("DROP INDEX event_by_id", "event_by_id"),
        ("DROP TRIGGER source_insert", "source_INSERT"),
        ("DELETE FROM heartbeat", "heartbeat"),
        ("UPDATE sources_version SET version = 'x'", "sources_version"),
        ("UPDATE event_numbers SET used_up_to = -5", "event_numbers"),
        ("UPDATE tokens_made SET number = x'00'", "tokens_made"),
    ],
)
def test_damage_of_tables_is_found(sqlite_backend: SqliteBackend, damage: str, place: str) -> None:
    sqlite_backend.db.execute(damage)

    assert place in places(sqlite_backend)
