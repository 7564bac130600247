"""Contract 2.3, row by row: which profile answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.http_stores import Database, ReadablePostgresStore
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.core.documents import Source
from trackd.core.source_changes import AddSource
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store

PERMANENT = "permanent-source"


async def fill(store: Store) -> None:
    """Profiles A and B, session `of-a` of A, session `of-erased` of an erased profile, M merged into B."""
    store.commit([AddSource(Source(SOURCE_ID, "test"))])
    store.commit([AddSource(Source(PERMANENT, "brings ids of its own", permanent_profile_id=True))])
    async with serving(store) as client:
        for profile, session in (("A", "of-a"), ("B", "of-b"), ("erased", "of-erased"), ("M", "of-merged")):
            answer = await track(client, payload(session, "page-view", profile=profile, source=PERMANENT))
            assert answer["profile"]["id"] == profile


def merge(db: Database) -> None:
    execute(db, "DELETE FROM profile WHERE id IN ('erased', 'M')")
    execute(db, "INSERT INTO merged VALUES ('M', 'B')")


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "trackd.db"
    await fill(SqliteStore(path))
    merge(path)
    return path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A copy of it for each test."""
    return Path(shutil.copy(made, tmp_path / "trackd.db"))


@pytest.fixture
async def postgres(postgres_database: str) -> str:
    """A database with the same content."""
    await fill(ReadablePostgresStore(postgres_database))
    merge(postgres_database)
    return postgres_database


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.slow)])
def db(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


async def track(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post("/track", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def store_on(db: Database) -> Store:
    return SqliteStore(db) if isinstance(db, Path) else PostgresStore(db)


async def answering(db: Database, session: str, profile: str | None = None, source: str = SOURCE_ID) -> dict[str, Any]:
    """The answer to one call, after which the session is the answering profile's, in the file too."""
    answers: list[dict[str, Any]] = []

    async with serving(store_on(db)) as client:
        answers.append(await track(client, payload(session, "page-view", profile=profile, source=source)))
    [answer] = answers
    profile_id = answer["profile"]["id"]
    assert rows(db, "SELECT profile_id FROM session WHERE id = ?", session) == [{"profile_id": profile_id}]
    assert len(rows(db, "SELECT 1 FROM profile WHERE id = ?", profile_id)) == 1
    return answer


def visits(db: Database, profile: str) -> int:
    [row] = rows(db, "SELECT doc FROM profile WHERE id = ?", profile)
    count: int = json.loads(row["doc"])["metadata"]["time"]["visit"]["count"]
    return count


def is_new(answer: dict[str, Any]) -> bool:
    return (
        answer["profile"]["id"] not in ("A", "B", "M", "X", "erased")
        and answer["debugging"]["profile"]["saved"] == 1
        and answer["debugging"]["events"]["seq"] == [1]
    )


async def test_a_new_session_without_a_profile_gets_a_new_profile(db: Database) -> None:
    answer = await answering(db, "new")
    assert is_new(answer)
    assert answer["debugging"]["session"]["saved"] == 1
    assert visits(db, answer["profile"]["id"]) == 1


async def test_a_new_session_with_an_unknown_profile_gets_a_new_one_not_that_id(db: Database) -> None:
    assert is_new(await answering(db, "new", "X"))
    assert rows(db, "SELECT 1 FROM profile WHERE id = 'X'") == []


async def test_a_source_with_permanent_profile_ids_determines_the_id(db: Database) -> None:
    assert (await answering(db, "new", "X", PERMANENT))["profile"]["id"] == "X"
    assert (await answering(db, "another", "X"))["profile"]["id"] == "X"


async def test_a_new_session_of_a_known_profile_is_a_visit_of_it(db: Database) -> None:
    before = visits(db, "A")
    assert (await answering(db, "new", "A"))["profile"]["id"] == "A"
    assert visits(db, "A") == before + 1


@pytest.mark.parametrize("profile", [None, "A", "B", "X"])
@pytest.mark.parametrize("source", [SOURCE_ID, PERMANENT])
async def test_the_profile_of_a_stored_session_answers_whichever_profile_is_sent(
    db: Path, profile: str | None, source: str
) -> None:
    before = visits(db, "A")
    answer = await answering(db, "of-a", profile, source)
    assert answer["profile"]["id"] == "A"
    assert answer["debugging"]["session"]["saved"] == 0
    assert visits(db, "A") == before


async def test_the_session_of_an_erased_profile_is_linked_to_the_known_profile_that_is_sent(db: Database) -> None:
    answer = await answering(db, "of-erased", "A")
    assert answer["profile"]["id"] == "A"
    assert answer["debugging"]["session"]["saved"] == 1


@pytest.mark.parametrize("profile", [None, "X", "erased"])
async def test_the_session_of_an_erased_profile_gets_a_new_profile(db: Database, profile: str | None) -> None:
    answer = await answering(db, "of-erased", profile)
    assert is_new(answer)
    assert answer["debugging"]["session"]["saved"] == 1


@pytest.mark.parametrize("session", ["new", "of-a", "of-b", "of-erased", "of-merged"])
async def test_an_id_that_was_merged_leads_to_the_profile_it_was_merged_into(db: Database, session: str) -> None:
    before = visits(db, "B")
    assert (await answering(db, session, "M"))["profile"]["id"] == "B"
    assert visits(db, "B") == before + (session in ("new", "of-erased"))


async def test_the_session_of_a_merged_profile_leads_there_too(db: Database) -> None:
    assert (await answering(db, "of-merged"))["profile"]["id"] == "B"


async def test_a_session_that_is_not_saved_is_resolved_but_not_kept(db: Database) -> None:
    async with serving(store_on(db)) as client:
        unsaved = payload("unsaved", "page-view", options={"saveSession": False})
        first, second = await track(client, unsaved), await track(client, unsaved)
        assert first["profile"]["id"] != second["profile"]["id"]
        assert first["debugging"]["session"] == {"saved": 0, "errors": [], "ids": [], "types": []}
        known = await track(client, payload("unsaved", profile="A", options={"saveSession": False}))
        assert known["profile"]["id"] == "A"
    assert rows(db, "SELECT 1 FROM session WHERE id = 'unsaved'") == []
    assert visits(db, "A") == 1
