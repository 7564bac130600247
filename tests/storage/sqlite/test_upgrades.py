"""Files that each earlier version has written are brought up to date, and keep all that they hold.

`schemas/` has a dump for each version: a small database that its server wrote, named after its last migration. Before a
release one more is made: `python -m tests.support.schema_dump FILE`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.process import Process
from tests.support.schema_dump import dump, load
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.file_format import MIGRATIONS

DUMPS = sorted(Path(__file__).with_name("schemas").glob("*.sql"))
SCHEMA = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
each_version = pytest.mark.parametrize("sql", DUMPS, ids=lambda path: path.stem)


@pytest.fixture
def older(tmp_path: Path, sql: Path) -> Path:
    """A file as that version left it."""
    path = tmp_path / "trackd.db"
    load(sql.read_text("utf-8"), path)
    return path


def content(path: Path) -> dict[str, list[dict[str, Any]]]:
    return {row["name"]: rows(path, f"SELECT * FROM {row['name']}") for row in rows(path, TABLES)}


@each_version
def test_a_file_of_this_version_keeps_all_rows_and_gets_the_tables_of_a_new_file(older: Path, tmp_path: Path) -> None:
    before = content(older)
    open_for_writing(older).close()
    open_for_writing(tmp_path / "new.db").close()
    assert rows(older, SCHEMA) == rows(tmp_path / "new.db", SCHEMA)
    after = content(older)
    for table, found in before.items():
        kept = [{column: row[column] for column in found[0]} for row in after[table][: len(found)]] if found else []
        assert kept == found, table
    assert {row["name"] for row in after["_sqlite_migrations"]} == MIGRATIONS
    selected = checks(rules_change_counters=False, synchronous="FULL")
    assert [findings.check.name for findings in audit(older, selected) if findings.number] == []


@each_version
def test_a_dump_is_named_after_its_last_migration_and_is_of_a_file_with_everything(older: Path, sql: Path) -> None:
    found = content(older)
    assert found["_sqlite_migrations"][-1]["name"] == sql.stem
    assert len({row["profile_id"] for row in found["event"]}) >= 2
    for table in ("source", "profile", "session", "event", "event_id", "token", "erased"):
        assert found[table], table
    assert any("ann@example.com" in row["doc"] for row in found["profile"])


@pytest.mark.parametrize("sql", DUMPS[-1:], ids=["the oldest"])
def test_a_server_goes_on_with_a_file_of_an_older_one(older: Path, serve: Callable[..., Process]) -> None:
    [ann] = [row for row in rows(older, "SELECT * FROM profile") if "ann@example.com" in row["doc"]]
    server = serve(older)
    call = {"source": {"id": "shop"}, "session": {"id": "s-1"}, "events": [{"type": "page-view"}]}
    answer = httpx.post(f"{server.url}/track", json=call, timeout=30).json()
    assert answer["profile"]["id"] == ann["id"]
    assert answer["debugging"]["events"]["seq"] == [ann["seq"] + 1]
    assert server.stop() == 0


@pytest.mark.parametrize("sql", DUMPS[:1], ids=["any"])
def test_a_file_of_a_newer_version_is_refused_and_nothing_is_touched(
    older: Path, serve: Callable[..., Process], tmp_path: Path
) -> None:
    execute(older, "INSERT INTO _sqlite_migrations VALUES (99, 'trackd', 'of_tomorrow', '2030-01-01')")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError) as refused:
        serve(older)
    assert "was written by a newer trackd (it has of_tomorrow): install that version" in str(refused.value)
    (tmp_path / "trackd.db-lock").unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_dump_makes_the_same_file_again(tmp_path: Path) -> None:
    sql = DUMPS[0].read_text("utf-8")
    load(sql, tmp_path / "a.db")
    assert dump(tmp_path / "a.db") == sql
