"""Plans: deadlocks, and whole tables read for a batch, a call or a page, are one wrong plan away."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.support.postgres import with_database
from trackd.storage.postgres import erasure, feed, listings, lookups, searching, store
from trackd.storage.postgres.calls import (
    LOCK_EXPECTED,
    LOCK_PROFILES,
    LOCK_SESSIONS,
    NONE_ERASED,
    SET_REEVALUATED,
    TOMBSTONES,
    UPDATE_EXPECTED,
    UPDATE_PROFILES,
    UPDATE_SESSIONS,
)
from trackd.storage.postgres.connection import BY_INDEX, Parameters, connect
from trackd.storage.postgres.retention import DELETE_EVENT_IDS, DELETE_EVENTS, DELETE_SESSIONS
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.postgres.writing import WritingConnection

GIVEN = [each.statement for each in (UPDATE_EXPECTED, UPDATE_PROFILES, SET_REEVALUATED, LOCK_EXPECTED, UPDATE_SESSIONS)]
STATEMENTS = [
    *GIVEN,
    LOCK_PROFILES,
    LOCK_SESSIONS,
    NONE_ERASED,
    TOMBSTONES,
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


@contextlib.contextmanager
def _prepared(db: "psycopg.Connection[Any]", statement: str) -> Iterator[list[str]]:
    """Prepare a statement as `planned`; yields the names of its parameters in their order."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1] or str(found.start()), len(numbers) + 1)}"

    sql = re.sub(r"%(?:[(]([a-z_]+)[)])?[sb]", number, statement)
    db.execute(f"PREPARE planned AS {sql}".encode(), prepare=False)
    try:
        yield list(numbers)
    finally:
        db.execute("DEALLOCATE planned", prepare=False)


def _plan(db: WritingConnection, statement: str) -> list[str]:
    """The lines of the plan that the server keeps, for any parameters."""
    connection = db.open()
    with _prepared(connection, statement) as names:
        nulls = ", ".join(["NULL"] * len(names))
        rows = connection.execute(f"EXPLAIN EXECUTE planned ({nulls})".encode(), prepare=False).fetchall()
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


TOO_MANY = 100  # pages; the table of events has 170
MAX, FAR = 2**62, "2099-01-01T00:00:00Z"
NO_FILTER = dict.fromkeys(("type", "source", "profile", "session", "status"))
NO_TIMES = dict.fromkeys(("after", "before", "created_after", "created_before"))
OF_HOT = {"profile": "hot", "start": MAX, "limit": 20}
READS: list[tuple[str, Parameters]] = [
    (store.SELECT_PROFILE, {"id": "P7"}),
    (store.SELECT_SESSION_AND_PROFILE, ["S7"]),
    (lookups.PROFILES, {"profiles": ["P7", "none"], "sessions": ["S8", "none"]}),
    (lookups.SESSIONS, {"sessions": ["S7", "none"]}),
    (lookups.EVENTS, {"profiles": ["hot", "P9"], "ids": ["E3000", "E9"], "sessions": ["S1"], "owned": ["E1"]}),
    (lookups.ERASED, {"hashes": ["0" * 64]}),
    (listings.DOCUMENT_OF_PROFILE, {"id": "P7"}),
    (listings.SESSION, ["S7"]),
    (listings.EVENT, ["E7"]),
    (listings.EVENT, ["none"]),
    (listings.EVENT_OF_PROFILE, {"id": "E3000", "profile": "hot"}),
    *((listings.PROFILE_EVENTS, {**OF_HOT, "profile": profile_id}) for profile_id in ("hot", "P9", "none")),
    (listings.PROFILE_SESSIONS, OF_HOT),
    (listings.SESSION_EVENTS, {**OF_HOT, "profile": "P9", "session": "S9", "examined": 1_000}),
    (listings.BELOW_EXAMINED, {**OF_HOT, "examined": 20, "inserted": datetime.now(UTC)}),
    (listings.SEARCH_EVENTS, {**NO_FILTER, **NO_TIMES, "start": MAX, "floor": 2_900, "limit": 20}),
    (
        listings.SEARCH_PII,
        {"pii": "email", "pii_values": ["a7"], "segment_text": None, "trait_text": None, "start": MAX, "floor": 0},
    ),
    (searching.NTH_BELOW.format(table="event"), [MAX, 100]),
    (searching.NUMBER_AT_TIME, [FAR]),
    (feed.STATE, ()),
    (feed.LAST_EXAMINED, [100, MAX, 100]),
    (feed.COUNT_BETWEEN, [100, MAX, 100]),
    (feed.EVENTS, {**NO_FILTER, "after": 100, "end": MAX, "limit": 100}),
    (feed.EVENTS, {**NO_FILTER, "profile": "P9", "after": 2_900, "end": MAX, "limit": 100}),
    (feed.ERASURES, {"after": 100, "end": MAX, "limit": 20}),
    (feed.ERASURE_OF_PROFILE, {"after": 0, "end": MAX, "hash": "0" * 64}),
]
EMPTY = "TRUNCATE profile, session, event, event_id, erased, pii;"
FEW = """
INSERT INTO event SELECT -n, 'E0' || n, 'hot', n, 'S', 'shop', 'buy', now(), now(), 'collected', NULL,
    '{}', '{}', '{}', '[]' FROM generate_series(1, 10) AS n;
INSERT INTO event_id SELECT profile_id, id, seq FROM event;
INSERT INTO pii SELECT 'email', 'b' || n, 'hot' FROM generate_series(1, 3) AS n;
"""
MANY = """
INSERT INTO profile (id, seq, revision, doc) SELECT 'P' || n, 1, 1, '{}' FROM generate_series(1, 3000) AS n;
INSERT INTO session (id, profile_id, inserted, updated, context, properties)
SELECT 'S' || n, 'P' || n, now(), now(), '{}', '{}' FROM generate_series(1, 3000) AS n;
INSERT INTO event SELECT n, 'E' || n, CASE WHEN n % 3 = 0 THEN 'hot' ELSE 'P' || n END, n, 'S' || n, 'shop', 'buy',
    now(), now(), 'collected', NULL, '{}', '{}', '{}',
    ('["' || repeat('x', 200) || '"]')::json FROM generate_series(1, 3000) AS n;
INSERT INTO event_id SELECT profile_id, id, seq FROM event WHERE number > 0;
INSERT INTO erased SELECT repeat(md5(n::text), 2), now(), n FROM generate_series(1, 3000) AS n;
INSERT INTO pii SELECT 'email', 'a' || n, 'P' || n FROM generate_series(1, 3000) AS n;
"""


@pytest.mark.parametrize("analyzed", ["", f"{EMPTY} ANALYZE", f"{EMPTY} {FEW} ANALYZE", f"{EMPTY} {MANY} ANALYZE"])
def test_reads_of_calls_pages_and_feeds_read_few_pages_whenever_the_tables_were_analyzed(
    postgres_database: str, worker_id: str, analyzed: str
) -> None:
    url = with_database(postgres_database, f"reads_{worker_id}")
    PostgresStore(url).close()
    with psycopg.connect(url, autocommit=True) as other:
        for statement in f"{analyzed}; {EMPTY} {MANY}".split(";"):
            other.execute(statement.encode())
    with connect(url, set_up=BY_INDEX) as db:
        for plans in ("force_custom_plan", "force_generic_plan"):
            db.execute(f"SET plan_cache_mode = {plans}".encode())
            for sql, parameters in READS:
                assert _pages(db, sql, parameters) < TOO_MANY, (plans, sql)


def _pages(db: "psycopg.Connection[Any]", sql: str, parameters: Parameters) -> int:
    """How many pages a statement reads."""
    with _prepared(db, sql) as names:
        values = [parameters[name] for name in names] if isinstance(parameters, Mapping) else parameters
        call = f"planned ({', '.join(['%s'] * len(values))})" if values else "planned"
        explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {call}"
        [(found,)] = psycopg.ClientCursor(db).execute(explained.encode(), values).fetchall()
    return int(found[0]["Plan"]["Shared Hit Blocks"] + found[0]["Plan"]["Shared Read Blocks"])
