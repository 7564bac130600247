"""Contract 2.5 over a real socket: calls that are sent again, also those that keep no session."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import rows
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.core.documents import Source
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

UNKEPT = {"saveSession": False}
PURCHASE = {"type": "purchase", "properties": {"order_id": "o-1", "total": 10, "currency": "EUR"}}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore([Source(SOURCE_ID, "test")])


@pytest.mark.parametrize(
    ("event", "headers"),
    [(PURCHASE, {"idempotency-key": "k-1"}), (PURCHASE | {"id": "e-1"}, {})],
    ids=["key", "own id"],
)
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_call_that_keeps_no_session_is_recorded_once(
    store: MemoryStore, event: dict[str, Any], headers: dict[str, str], at_once: bool
) -> None:
    body = payload("s", options=UNKEPT) | {"events": [event]}

    async with serving(store) as client:
        sending = (client.post("/track", json=body, headers=headers) for _ in range(10))
        responses = await asyncio.gather(*sending) if at_once else [await one for one in sending]
        answers = [response.json() for response in responses]

    assert {response.status_code for response in responses} == {200}
    assert len({answer["profile"]["id"] for answer in answers}) == len(store.profiles) == 1
    assert {tuple(answer["debugging"]["events"]["ids"]) for answer in answers} == {(store.events[0].id,)}
    assert sum(answer["debugging"]["events"]["saved"] for answer in answers) == len(store.events) == 1
    [profile] = store.profiles.values()
    assert profile.doc["stats"]["counters"] == {"purchase": 1}
    assert profile.doc["stats"]["visits"] == 0


async def test_such_a_call_without_key_and_own_ids_is_a_new_one_each_time(store: MemoryStore) -> None:
    body = payload("s", "a", options=UNKEPT)

    async with serving(store) as client:
        answers = [(await client.post("/track", json=body)).json() for _ in range(2)]

    assert answers[0]["profile"]["id"] != answers[1]["profile"]["id"]


async def test_other_sessions_and_sources_with_the_same_key_are_other_calls() -> None:
    store = MemoryStore([Source(SOURCE_ID, "test"), Source("another", "test")])
    key = {"idempotency-key": "k"}

    async with serving(store) as client:
        for session, source in (("s", SOURCE_ID), ("t", SOURCE_ID), ("s", "another"), ("s", SOURCE_ID)):
            await client.post("/track", json=payload(session, "a", source=source, options=UNKEPT), headers=key)

    assert len(store.profiles) == len(store.events) == 3


async def test_such_a_call_is_recorded_once_also_over_a_restart_and_not_under_an_erased_id(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    body, key = payload("s", "a", options=UNKEPT), {"idempotency-key": "k"}

    async with serving(SqliteStore(path)) as client:
        first = (await client.post("/track", json=body, headers=key)).json()
    async with serving(SqliteStore(path), admin=True) as client:
        again = (await client.post("/track", json=body, headers=key)).json()
        assert again["profile"] == first["profile"]
        assert again["debugging"]["events"] == first["debugging"]["events"] | {"saved": 0}
        assert (await client.delete(f"/profile/{first['profile']['id']}")).status_code == 200
        after = (await client.post("/track", json=body, headers=key)).json()

    assert after["profile"] != first["profile"]
    assert rows(path, "SELECT id FROM profile") == [{"id": after["profile"]["id"]}]


@pytest.mark.parametrize("empty", ["", " ", None])
@pytest.mark.parametrize(("own_id", "headers"), [(None, {"idempotency-key": "k"}), ("e-1", {})], ids=["key", "own id"])
async def test_a_call_with_an_empty_session_and_profile_gets_a_session_and_is_recorded_once(
    store: MemoryStore, empty: str | None, own_id: str | None, headers: dict[str, str]
) -> None:
    """As Google's server-side tag sends them until it has had a 200."""
    body = payload("") | {"session": {"id": empty}, "profile": {"id": empty}, "events": [{"type": "a", "id": own_id}]}

    async with serving(store) as client:
        sending = [client.post("/track", json=body, headers=headers) for _ in range(3)]
        answers = [response.json() for response in await asyncio.gather(*sending)]
        session_id, profile_id = answers[0]["session"]["id"], answers[0]["profile"]["id"]
        known = body | {"session": {"id": session_id}, "profile": {"id": profile_id}, "events": [{"type": "b"}]}
        next_answer = (await client.post("/track", json=known)).json()

    assert {(answer["session"]["id"], answer["profile"]["id"]) for answer in answers} == {(session_id, profile_id)}
    assert sum(answer["debugging"]["events"]["saved"] for answer in answers) == 1
    assert (list(store.sessions), list(store.profiles)) == ([session_id], [profile_id])
    assert next_answer["debugging"]["events"]["seq"] == [2]
    assert store.profiles[profile_id].doc["stats"]["visits"] == 1


async def test_an_empty_session_without_key_and_own_ids_is_another_one_each_time(store: MemoryStore) -> None:
    async with serving(store) as client:
        answers = [(await client.post("/track", json=payload("", "a"))).json() for _ in range(2)]

    assert len({answer["session"]["id"] for answer in answers}) == len(store.sessions) == 2
    assert len(store.profiles) == 2


async def test_a_call_without_a_session_is_refused(store: MemoryStore) -> None:
    body = payload("s", "a")
    del body["session"]

    async with serving(store) as client:
        missing = await client.post("/track", json=body)
        without_id = await client.post("/track", json=body | {"session": {}})

    assert [answer.status_code for answer in (missing, without_id)] == [422, 422]
    assert [answer.json()["detail"][0]["loc"] for answer in (missing, without_id)] == [
        ["body", "session"],
        ["body", "session", "id"],
    ]
