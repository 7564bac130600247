"""Contract 2.5 over a real socket: calls that are sent again, also those that keep no session."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import rows
from tests.support.http_stores import MakeStore, ReadableStore
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Source
from trackd.core.rules.compiling import compile_rules
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

UNKEPT = {"saveSession": False}
PURCHASE = {"type": "purchase", "properties": {"order_id": "o-1", "total": 10, "currency": "EUR"}}


@pytest.fixture
def store(make_store: MakeStore) -> ReadableStore:
    return make_store([Source(SOURCE_ID, "test")])


@pytest.mark.parametrize(
    ("event", "headers"),
    [(PURCHASE, {"idempotency-key": "k-1"}), (PURCHASE | {"id": "e-1"}, {})],
    ids=["key", "own id"],
)
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_call_that_keeps_no_session_is_recorded_once(
    store: ReadableStore, event: dict[str, Any], headers: dict[str, str], at_once: bool
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


async def test_such_a_call_without_key_and_own_ids_is_a_new_one_each_time(store: ReadableStore) -> None:
    body = payload("s", "a", options=UNKEPT)

    async with serving(store) as client:
        answers = [(await client.post("/track", json=body)).json() for _ in range(2)]

    assert answers[0]["profile"]["id"] != answers[1]["profile"]["id"]


async def test_other_sessions_and_sources_with_the_same_key_are_other_calls(make_store: MakeStore) -> None:
    store = make_store([Source(SOURCE_ID, "test"), Source("another", "test")])
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
    store: ReadableStore, empty: str | None, own_id: str | None, headers: dict[str, str]
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


async def test_an_empty_session_without_key_and_own_ids_is_another_one_each_time(store: ReadableStore) -> None:
    async with serving(store) as client:
        answers = [(await client.post("/track", json=payload("", "a"))).json() for _ in range(2)]

    assert len({answer["session"]["id"] for answer in answers}) == len(store.sessions) == 2
    assert len(store.profiles) == 2


async def test_a_call_without_a_session_is_refused(store: ReadableStore) -> None:
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


def logged(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["type"], entry["message"]) for entry in answer["debugging"]["logs"]]


@pytest.mark.parametrize(
    "placeholder",
    ["undefined", "null", "NaN", "[object Object]", "Guest", "'none'", 0, -1, "0000", "-", uuid.UUID(int=0)],
)
async def test_two_visitors_with_a_placeholder_for_a_session_id_do_not_become_one(
    store: ReadableStore, placeholder: Any
) -> None:
    sent = placeholder if isinstance(placeholder, int) else str(placeholder)
    body = payload("s", "a") | {"session": {"id": sent}}

    async with serving(store) as client:
        answers = [await client.post("/track", json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [422, 422]
    [fault] = answers[0].json()["detail"]
    assert (fault["loc"], fault["type"]) == (["body", "session", "id"], "blocked_id")
    assert "limits.blocked_ids" in fault["msg"]
    assert store.profiles == {}


async def test_a_placeholder_for_a_profile_id_is_none_also_for_a_source_with_permanent_profile_ids(
    make_store: MakeStore,
) -> None:
    store = make_store([Source(SOURCE_ID, "test", permanent_profile_id=True)])

    async with serving(store) as client:
        sent = [payload(session, "a", profile="undefined") for session in ("s-1", "s-2")]
        answers = [(await client.post("/track", json=body)).json() for body in sent]

    assert len(store.profiles) == 2
    assert "undefined" not in store.profiles
    why = "The profile id is the placeholder 'undefined' (limits.blocked_ids): it counts as absent."
    assert [logged(answer) for answer in answers] == [[("warning", why)]] * 2


async def test_events_with_a_placeholder_for_an_id_are_all_recorded(store: ReadableStore) -> None:
    body = payload("s") | {"events": [{"type": "a", "id": "null"}, {"type": "a", "id": "-1"}]}

    async with serving(store) as client:
        answers = [(await client.post("/track", json=body)).json() for _ in range(2)]

    assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[1, 2], [3, 4]]
    assert not {"null", "-1"} & {event.id for event in store.events}
    assert [entry["event_id"] for entry in answers[0]["debugging"]["logs"]] == [event.id for event in store.events[:2]]


async def test_an_idempotency_key_that_is_a_placeholder_counts_as_absent(store: ReadableStore) -> None:
    async with serving(store) as client:
        key = {"idempotency-key": "undefined"}
        answers = [(await client.post("/track", json=payload("s", "a"), headers=key)).json() for _ in range(2)]

    assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[1], [2]]
    why = "The Idempotency-Key is the placeholder 'undefined' (limits.blocked_ids): it counts as absent."
    assert [logged(answer) for answer in answers] == [[("warning", why)]] * 2


async def test_with_an_empty_list_of_blocked_ids_all_ids_are_taken(store: ReadableStore) -> None:
    async with serving(store, Settings(limits=Limits(blocked_ids=""))) as client:
        body = payload("undefined") | {"events": [{"type": "a", "id": "0"}]}
        answers = [(await client.post("/track", json=body)).json() for _ in range(2)]

    assert [answer["debugging"]["events"]["saved"] for answer in answers] == [1, 0]
    assert list(store.sessions) == ["undefined"]


SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
CHECKED = compile_rules({"event": {"purchase": {"schema": SCHEMA}}}, Limits())


async def test_each_duplicate_has_a_log_entry_with_the_number_and_type_of_the_first_copy(make_store: MakeStore) -> None:
    store = make_store([Source(SOURCE_ID, "test"), Source("another", "test")])
    wrong, corrected = ({"type": "purchase", "id": "e-2", "properties": {"total": total}} for total in ("10", 10))
    bodies = [
        payload("s") | {"events": [{"type": "view", "id": "e-1"}, wrong]},
        payload("s") | {"events": [{"type": "view", "id": "e-1"}, {"type": "click", "id": "e-1"}, corrected]},
        payload("s", source="another") | {"events": [{"type": "view", "id": "e-1"}]},
    ]

    async with serving(store, rules=CHECKED) as client:
        _, again, elsewhere = [(await client.post("/track", json=body)).json() for body in bodies]
        keyed = [
            (await client.post("/track", json=payload("s", kind), headers={"idempotency-key": "k"})).json()
            for kind in ("view", "click")
        ]

    e_1, e_2 = "duplicate of event e-1: seq 1, type view", "duplicate of event e-2: seq 2, type purchase"
    assert logged(again) == [("info", e_1), ("warning", e_1), ("warning", e_2)]
    assert [entry["event_id"] for entry in again["debugging"]["logs"]] == ["e-1", "e-1", "e-2"]
    assert logged(elsewhere) == [("warning", e_1)]
    assert logged(keyed[1]) == [("warning", f"duplicate of event {store.events[2].id}: seq 3, type view")]
    assert len(store.events) == 3


@pytest.mark.parametrize("options", [{"logs": False}, {"debugger": False}])
async def test_a_duplicate_that_wants_no_logs_has_no_entry(store: ReadableStore, options: dict[str, bool]) -> None:
    body = payload("s") | {"events": [{"type": "a", "id": "e-1", "options": options}, {"type": "b", "id": "e-2"}]}

    async with serving(store) as client:
        answers = [(await client.post("/track", json=body)).json() for _ in range(2)]

    assert logged(answers[1]) == [("info", "duplicate of event e-2: seq 2, type b")]
