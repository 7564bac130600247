"""Old events and sessions are deleted without an effect on calls: over real sockets and in a real file."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import Process
from tests.support.serving import serving
from trackd.core.changes import Change, Outcome
from trackd.core.documents import Source
from trackd.core.retention_changes import DeleteSessions
from trackd.storage.sqlite.clock_confirmation import confirm
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

Serve = Callable[..., Process]
OLD = "2020-01-01T00:00:00.000000Z"


async def _track(client: httpx.AsyncClient, session: str, *types: str, **more: Any) -> dict[str, Any]:
    response = await client.post("/track", json=payload(session, *types, **more))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_old_events_and_sessions_are_deleted_while_calls_are_answered_and_seq_continues(serve: Serve) -> None:
    server = serve()
    idle, busy = ([f"{kind}-{number}" for number in range(3)] for kind in ("idle", "busy"))

    async def fill() -> dict[str, str]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            answers = [await _track(client, session, *["page-view"] * 400) for session in (*idle, *busy)]
            return {answer["session"]["id"]: answer["profile"]["id"] for answer in answers}

    profiles = await fill()
    server.stop()
    execute(server.db, "UPDATE event SET inserted = ?", OLD)
    execute(server.db, "UPDATE session SET updated = ?", OLD)
    confirm(server.db, datetime.now(UTC))  # nothing in the file shows that the clock is right
    server = serve(TRACKD_RETENTION_EVENTS_KEEP_DAYS="30", TRACKD_RETENTION_SESSIONS_KEEP_DAYS="30")

    def old_ones() -> bool:
        old = "SELECT 1 FROM event WHERE inserted = ?1 UNION ALL SELECT 1 FROM session WHERE updated = ?1 LIMIT 1"
        return bool(rows(server.db, old, OLD))

    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client, asyncio.timeout(60):

        async def call(session: str) -> None:
            while True:
                await _track(client, session, "page-view", profile=profiles[session])
                if not old_ones():
                    return

        await asyncio.gather(*(call(session) for session in busy for _ in range(4)))
        for session in idle:
            again = await _track(client, session, "page-view", profile=profiles[session])
            assert again["profile"]["id"] == profiles[session]
            assert again["debugging"]["events"]["seq"] == [401]
            assert again["debugging"]["session"]["saved"] == 1
    assert server.stop() == 0
    kept = rows(server.db, "SELECT min(seq) first, max(seq) last, count(DISTINCT seq) n FROM event GROUP BY profile_id")
    assert len(kept) == 6
    assert all(of_one["first"] == 401 and of_one["last"] == 400 + of_one["n"] for of_one in kept)
    assert rows(server.db, "SELECT count(*) AS n FROM session") == [{"n": 6}]
    assert rows(server.db, "SELECT count(*) AS n FROM profile") == [{"n": 6}]


class SweptStore(SqliteStore):
    """A store whose sessions are deleted, on request, between the decision about a batch and its commit."""

    sweep = False

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        if self.sweep:
            self.sweep = False
            super().commit([DeleteSessions("9999")])
        return super().commit(batch)


@pytest.mark.parametrize("simultaneous", [1, 20])
@pytest.mark.parametrize("names_profile", [True, False])
async def test_calls_whose_session_is_deleted_meanwhile_are_answered_200_and_begin_it_again(
    tmp_path: Path, simultaneous: int, names_profile: bool
) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))

    store = SweptStore(path)
    async with serving(store) as client:
        first = (await _track(client, "s", "page-view"))["profile"]["id"]
        store.sweep = True
        known = {"profile": first} if names_profile else {}
        calls = [_track(client, "s", "page-view", **known) for _ in range(simultaneous)]
        answers = await asyncio.gather(*calls)
        assert not store.sweep
        [profile_id] = {answer["profile"]["id"] for answer in answers}
        assert (profile_id == first) is names_profile
        seqs = sorted(answer["debugging"]["events"]["seq"][0] for answer in answers)
        assert seqs == list(range(seqs[0], seqs[0] + simultaneous))
        assert seqs[0] == (2 if names_profile else 1)
        assert sum(answer["debugging"]["session"]["saved"] for answer in answers) == 1
        assert rows(path, "SELECT id, profile_id FROM session") == [{"id": "s", "profile_id": profile_id}]
