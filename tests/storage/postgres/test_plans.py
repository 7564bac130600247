"""Plans of the writer's statements: deadlocks, and whole tables read for a batch, are one wrong plan away."""

import contextlib
import re

import psycopg
import pytest

from tests.support.postgres import with_database
from trackd.storage.postgres import erasure
from trackd.storage.postgres.calls import (
    LOCK_EXPECTED,
    LOCK_PROFILES,
    LOCK_SESSIONS,
    SET_REEVALUATED,
    UPDATE_EXPECTED,
    UPDATE_PROFILES,
    UPDATE_SESSIONS,
)
from trackd.storage.postgres.retention import DELETE_EVENT_IDS, DELETE_EVENTS, DELETE_SESSIONS
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.postgres.writing import WritingConnection

GIVEN = [each.statement for each in (UPDATE_EXPECTED, UPDATE_PROFILES, SET_REEVALUATED, LOCK_EXPECTED, UPDATE_SESSIONS)]
STATEMENTS = [
    *GIVEN,
    LOCK_PROFILES,
    LOCK_SESSIONS,
    DELETE_EVENT_IDS,
    DELETE_EVENTS,
    DELETE_SESSIONS,
    erasure.PROFILE_STATE,
    erasure.DELETE_EVENTS,
    erasure.ANONYMISE_EVENTS,
    *erasure.DELETE_PROFILE,
]
FILL = """
TRUNCATE profile, session, event, event_id;
INSERT INTO profile (id, seq, revision, doc) SELECT 'P' || n, 1, 1, '{}' FROM generate_series(1, %(rows)s) AS n;
INSERT INTO session (id, profile_id, inserted, updated, context, properties)
SELECT 'S' || n, 'P' || n, now(), now(), '{}', '{}' FROM generate_series(1, %(rows)s) AS n;
INSERT INTO event SELECT n, 'E' || n, 'P' || n, 1, 'S' || n, 'shop', 'buy', now(), now(), 'collected', NULL,
    '{}', '{}', '{}', '[]' FROM generate_series(1, %(events)s) AS n;
INSERT INTO event_id SELECT 'P' || n, 'E' || n, 1 FROM generate_series(1, %(rows)s) AS n;
ANALYZE
"""
SCAN = re.compile(r"Scan (using \w+ )?on (?!given|sent|step|written|found)\w")


@pytest.fixture(scope="module")
def url(postgres_database: str, worker_id: str) -> str:
    """The URL of a database of these tests, which analyze its tables."""
    url = with_database(postgres_database, f"plans_{worker_id}")
    PostgresStore(url).close()
    return url


def _plan(db: WritingConnection, statement: str) -> list[str]:
    """The lines of the plan that the server keeps, for any parameters."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1] or str(found.start()), len(numbers) + 1)}"

    connection = db.open()
    connection.execute(
        f"PREPARE planned AS {re.sub(r'%(?:[(]([a-z_]+)[)])?[sb]', number, statement)}".encode(), prepare=False
    )
    try:
        nulls = ", ".join(["NULL"] * len(numbers))
        rows = connection.execute(f"EXPLAIN EXECUTE planned ({nulls})".encode(), prepare=False).fetchall()
    finally:
        connection.execute("DEALLOCATE planned", prepare=False)
    return [line for (line,) in rows]


@pytest.mark.parametrize(("rows", "events"), [(0, 0), (1, 1), (10, 10), (30, 3_000)])
def test_rows_are_found_by_an_index_whatever_size_the_tables_had_when_they_were_analyzed(
    url: str, rows: int, events: int
) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        for statement in FILL.split(";"):
            other.execute(statement.encode(), {"rows": rows, "events": events} if "%(" in statement else None)
    with contextlib.closing(WritingConnection(url)) as db:
        for statement in STATEMENTS:
            plan = _plan(db, statement)
            scans = [number for number, line in enumerate(plan) if SCAN.search(line)]
            assert scans, statement
            assert [plan[number] for number in scans if "Index Cond" not in plan[number + 1]] == [], statement
            assert rows < 10 or not any("event_by_id" in line for line in plan), statement  # to one row any index leads
            if statement in GIVEN:
                assert any("Nested Loop" in line for line in plan), statement
                assert ["_pkey on " in plan[number] for number in scans] == [True], statement
