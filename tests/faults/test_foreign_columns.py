"""Another tool added columns to the tables, also with the names that other tables and SQL functions use."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.exports import exported, import_lines
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Limits
from trackd.core.changes import Outcome
from trackd.core.documents import Source, TokenScope
from trackd.core.jobs import ERASE_PROFILE
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.http.rules_loading import load_rules
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens

# Columns of functions that return tables, and of the tables that trackd's own statements make for themselves.
NAMES_IN_STATEMENTS = {"key", "value", "atom", "parent", "path", "found", "low", "high", "line", "events", "note"}
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%sqlite_%'"


def add_columns(db: Path) -> None:
    """To each table, all names that it lacks and that a statement could mistake for those of another table."""
    tables = [row["name"] for row in rows(db, TABLES)]
    columns = {
        table: {row["name"] for row in rows(db, f"SELECT name FROM pragma_table_info('{table}')")} for table in tables
    }
    names = NAMES_IN_STATEMENTS.union(*columns.values())
    statements = [
        f'ALTER TABLE "{table}" ADD COLUMN "{name}" DEFAULT \'foreign\''
        for table, own in columns.items()
        for name in sorted(names - own)
    ]
    execute(db, ";".join(["BEGIN", *statements, "COMMIT"]))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    with Tokens(path) as tokens:
        tokens.add("before", [TokenScope.READ])
    add_columns(path)
    return path


@pytest.fixture
def db(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path))


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


async def track(client: httpx.AsyncClient, session: str, *ids: str, **more: Any) -> Any:
    body = payload(session, **more)
    body["events"] = [{"type": "page-view", "id": event_id, "time": {"create": "2026-01-01"}} for event_id in ids]
    answer = await client.post("/track", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_calls_reads_and_erasures_work(db: Path) -> None:
    async with serving(SqliteStore(db), admin=True) as client:
        first = await track(client, "s", "a", "b")
        profile_id = first["profile"]["id"]
        again = await track(client, "s", "a", "c", profile=profile_id)
        assert again["debugging"]["events"]["seq"] == [1, 3]
        assert "seq 1, type page-view" in str(again["debugging"]["logs"])
        other = (await track(client, "t", "a"))["profile"]["id"]
        events = await get(client, f"/profile/{profile_id}/events")
        assert [event["id"] for event in events["result"]] == ["c", "b", "a"]
        assert await get(client, "/events/session/s") == events
        assert len((await get(client, "/events", created_before="2026-02-01", after="2026-01-01"))["result"]) == 4
        assert len((await get(client, f"/profile/{profile_id}/sessions"))["result"]) == 1
        assert len((await get(client, "/profiles", pii="email:ann@example.com"))["result"]) == 0
        assert len((await get(client, "/profiles", seen_after="2026-01-01"))["result"]) == 2
        for path in ("/segments", "/event-source", f"/event/{'a'}", "/session/s", f"/profile/{profile_id}/export"):
            answer = await client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.text}"
        edited = await client.patch(f"/event-source/{SOURCE_ID}", json={"tags": ["x"]})
        assert edited.json()["tags"] == ["x"]
        for erased, keep in ((profile_id, "events"), (other, "nothing")):
            answer = await client.delete(f"/profile/{erased}", params={"keep": "events"} if keep == "events" else {})
            assert answer.status_code in (200, 204), answer.text
    assert rows(db, "SELECT count(*) AS n FROM event") == [{"n": 3}]
    assert [found.first for found in audit(db, checks(rules_change_counters=False)) if found.number] == []


def test_commands_work(db: Path, tmp_path: Path) -> None:
    store = SqliteStore(db)

    async def fill() -> None:
        async with serving(store, rules=load_rules("", Limits())) as client:
            await track(client, "s", "a", "b")

    asyncio.run(fill())
    assert [found.first for found in audit(db, checks(rules_change_counters=False)) if found.number] == []
    import_lines(tmp_path / "new.db", exported(db))
    with Sources(tmp_path / "into.db", create=True):
        add_columns(tmp_path / "into.db")
    assert import_lines(tmp_path / "into.db", exported(tmp_path / "new.db"))["event"] == 2
    with Tokens(db) as tokens:
        tokens.add("after", [TokenScope.METRICS], "2030-01-01T00:00:00.000000Z")
        assert [(token.name, token.expires is None) for token in tokens.all()] == [("before", True), ("after", False)]
        tokens.revoke("after")
    with Sources(db) as sources:
        sources.enable(SOURCE_ID, False)
        assert [source.enabled for source in sources.all()] == [False]
        assert not sources.get(SOURCE_ID).enabled
    with Jobs(db) as jobs:
        assert jobs.add(ERASE_PROFILE, {}) == jobs.all()[-1].number
    store = SqliteStore(db)
    assert store.commit([DeleteEvents("2999"), DeleteSessions("2999")]) == [Outcome.DONE, Outcome.DONE]
    store.close()
    assert rows(db, "SELECT 1 FROM event UNION ALL SELECT 1 FROM session UNION ALL SELECT 1 FROM event_id") == []
