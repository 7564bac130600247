"""DELETE /profile/{id} over a real socket, while other requests are answered."""

import asyncio
import collections
import json
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.http_stores import Database
from tests.support.payloads import payload
from tests.support.raw_http import connected, request
from tests.support.serving import serving_file


@pytest.fixture
def db(db: Database) -> Database:
    """With a source whose clients may not choose the ids of their profiles: an erased one comes not back."""
    execute(db, "UPDATE source SET permanent_profile_id = (1 = 0)")
    return db


async def track(client: httpx.AsyncClient, *types: str, session: str = "s", **more: Any) -> str:
    answer = await client.post("/track", json=payload(session, *types, **more))
    assert answer.status_code == 200, answer.text
    profile_id: str = answer.json()["profile"]["id"]
    return profile_id


async def test_an_erased_profile_leaves_a_hash_and_the_next_call_gets_a_new_one(db: Database) -> None:
    found: list[str] = []
    async with serving_file(db) as client:
        known = await track(client, "t", "t", events=[{"type": "t", "id": "own"}])
        answer = await client.delete(f"/profile/{known}")
        assert (answer.status_code, answer.json()) == (200, {"id": known})
        for path in ("/profile/{}", "/profile/{}/events", "/profile/{}/export"):
            assert (await client.get(path.format(known))).status_code == 404
        assert (await client.get("/session/s")).status_code == 404
        assert (await client.delete(f"/profile/{known}")).status_code == 404
        found.append(known)
        found.append(await track(client, "t", profile=known))
        assert found[1] != known

    assert [row["id"] for row in rows(db, "SELECT id FROM profile")] == [found[1]]
    assert [(row["profile_id"], row["seq"]) for row in rows(db, "SELECT * FROM event")] == [(found[1], 1)]
    assert rows(db, "SELECT * FROM event_id") == []
    dump = "".join(str(row) for table in ("erased", "session", "event") for row in rows(db, f"SELECT * FROM {table}"))
    assert found[0] not in dump


async def test_kept_events_identify_no_person(db: Database) -> None:
    async with serving_file(db) as client:
        event = {"type": "sign-up", "id": "own", "properties": {"email": "a@b.example"}, "context": {"url": "/me"}}
        known = await track(client, events=[event, {"type": "t"}])
        assert (await client.delete(f"/profile/{known}?keep=events")).status_code == 200
        listed = (await client.get("/events")).json()["result"]
        assert [(event["type"], event["properties"], event["metadata"]["ip"]) for event in listed] == [
            ("t", {}, None),
            ("sign-up", {}, None),
        ]
        for secret in (known, "own", "example", "/me"):
            assert secret not in str(listed)


async def test_only_events_can_be_kept(db: Database) -> None:
    async with serving_file(db) as client:
        known = await track(client, "t")
        answer = await client.delete(f"/profile/{known}?keep=sessions")
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "keep"])
        assert (await client.get(f"/profile/{known}")).status_code == 200


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("keep", "times"),
    [
        ("", 3),
        pytest.param("", 20, marks=pytest.mark.slow),
        pytest.param("?keep=events", 20, marks=pytest.mark.slow),
    ],
)
async def test_fifty_clients_track_one_profile_while_it_is_erased(db: Database, keep: str, times: int) -> None:
    statuses: collections.Counter[int] = collections.Counter()
    erasures: collections.Counter[int] = collections.Counter()
    answered: list[tuple[str, int]] = []
    times = min(times, 2) if isinstance(db, str) else times  # fifty clients of one profile wait for each commit

    async with serving_file(db) as client:
        over, progress = asyncio.Event(), asyncio.Event()
        current = [await track(client, "t")]

        async def call(number: int) -> None:
            async with connected(str(client.base_url)) as connection:
                while not over.is_set():
                    body = json.dumps(payload(f"s{number % 25}", "t", "u", profile=current[0])).encode()
                    answer = await connection.ask(request(body, "Content-Type: application/json"))
                    statuses[answer.status] += 1
                    current[0] = answer.json()["profile"]["id"]
                    answered.extend((current[0], seq) for seq in answer.json()["debugging"]["events"]["seq"])
                    progress.set()

        async def erase() -> None:
            for _ in range(times):
                for _ in range(20):
                    progress.clear()
                    await progress.wait()
                answer = await client.delete(f"/profile/{current[0]}{keep}")
                erasures[answer.status_code] += 1
            over.set()

        await asyncio.gather(erase(), *(call(number) for number in range(50)))

    assert set(statuses) == {200}
    assert set(erasures) <= {200, 404}, "404: an answer of before the last erasure came late"
    assert len(answered) == len(set(answered)), "no number is given twice"
    stored = collections.defaultdict(list)
    for row in rows(db, "SELECT profile_id, seq FROM event WHERE profile_id <> '' ORDER BY number"):
        stored[row["profile_id"]].append(row["seq"])
    living = {row["id"]: row["seq"] for row in rows(db, "SELECT id, seq FROM profile")}
    assert {key: seqs[-1] for key, seqs in stored.items()} == {key: seq for key, seq in living.items() if seq}
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in stored.values())
    assert {row["profile_id"] for row in rows(db, "SELECT profile_id FROM session")} <= set(living)
    assert len(rows(db, "SELECT * FROM erased")) == erasures[200] >= times // 2
