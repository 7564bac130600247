"""Contract 2.1, 2.2, 2.4, 2.5 and 2.7 over a real socket: forms of the request, options, retries, browsers."""

import gzip
import json
from typing import Any

import pytest

from tests.support.http_stores import MakeStore, ReadableStore
from tests.support.making import Make
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Sessions, Settings
from trackd.core.documents import Source

GENEROUS = "returns-profile"


@pytest.fixture
def store(make_store: MakeStore) -> ReadableStore:
    return make_store([Source(SOURCE_ID, "test"), Source(GENEROUS, "test", returns_profile=True, consent=True)])


async def track(store: ReadableStore, *bodies: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []

    async with serving(store) as client:
        for body in bodies:
            response = await client.post("/track", json=body, headers=headers)
            assert response.status_code == 200, response.text
            answers.append(response.json())
    return answers


def event(event_type: str, **more: Any) -> dict[str, Any]:
    return {"type": event_type, **more}


def call(*events: dict[str, Any], session: str = "s", source: str = SOURCE_ID, **more: Any) -> dict[str, Any]:
    return payload(session, source=source) | {"events": list(events)} | more


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "application/ld+json"},
        {"content-type": "text/plain;charset=UTF-8"},
        {},
        {"content-encoding": "gzip"},
        {"content-encoding": "identity"},
    ],
)
async def test_a_body_may_have_each_of_these_types_and_encodings(store: ReadableStore, headers: dict[str, str]) -> None:
    body = json.dumps(payload("s", "page-view")).encode()
    if headers.get("content-encoding") == "gzip":
        body = gzip.compress(body)

    async with serving(store) as client:
        assert (await client.post("/track", content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize("nothing", [None, {}, []])
async def test_null_and_phps_empty_list_are_an_empty_object(store: ReadableStore, nothing: Any) -> None:
    bare = event("page-view", properties=nothing, context=nothing, options=nothing)
    [answer] = await track(store, call(bare, context=nothing, properties=nothing, options=nothing, profile=nothing))
    assert answer["debugging"]["events"]["saved"] == 1
    [stored] = store.events
    assert (stored.properties, stored.context, stored.config) == ("{}", "{}", "{}")


async def test_a_call_without_events_opens_session_and_profile(store: ReadableStore) -> None:
    [answer] = await track(store, call())
    assert answer["debugging"]["session"]["saved"] == answer["debugging"]["profile"]["saved"] == 1
    assert store.profiles[answer["profile"]["id"]].doc["stats"]["visits"] == 1


@pytest.mark.parametrize(("end_after_s", "visits"), [(0, 1), (86_400, 2)])
async def test_a_call_after_a_long_silence_is_a_new_visit_of_its_session(end_after_s: int, visits: int) -> None:
    old = Make.profile("A", stats={"visits": 1, "views": 0, "counters": {}})
    store = Make.store(old, sessions=[Make.session("S", "A")], source_id=SOURCE_ID)
    async with serving(store, Settings(sessions=Sessions(end_after_s=end_after_s))) as client:
        answers = [(await client.post("/track", json=payload("S", "page-view"))).json() for _ in range(2)]
    assert [answer["profile"]["id"] for answer in answers] == ["A", "A"]
    assert [answer["debugging"]["profile"]["saved"] for answer in answers] == [visits - 1, 0]
    assert store.profiles["A"].doc["stats"]["visits"] == visits
    assert list(store.sessions) == ["S"]


async def test_ids_are_trimmed_and_numbers_are_taken_as_their_text(store: ReadableStore) -> None:
    [first, second] = await track(
        store,
        call(session=" 17 "),
        call(session=17),  # type: ignore[arg-type]
    )
    assert first["profile"] == second["profile"]
    assert second["session"] == {"id": "17"}


async def test_unknown_fields_are_ignored(store: ReadableStore) -> None:
    [answer] = await track(store, call(event("page-view", tags=["a"], device=1), device={}, request={}, tags=[]))
    assert answer["debugging"]["events"]["saved"] == 1


async def test_the_time_of_an_event_is_the_clients_and_an_unreadable_one_is_logged(store: ReadableStore) -> None:
    [answer] = await track(
        store,
        call(
            event("a", time={"create": "2024-05-06T07:08:09+02:00"}),
            event("b", metadata={"time": 1_715_000_000_000}),
            event("c", id="c", metadata={"time": {"insert": "soon"}}),
        ),
    )
    first, second, third = store.events
    assert first.created == "2024-05-06T05:08:09.000000Z"
    assert second.created == "2024-05-06T12:53:20.000000Z"
    assert third.created == third.inserted
    [entry] = answer["debugging"]["logs"]
    assert (entry["event_id"], entry["type"]) == ("c", "warning")
    assert "'soon'" in entry["message"]


async def test_an_event_that_is_not_saved_changes_the_profile_all_the_same(store: ReadableStore) -> None:
    [answer] = await track(store, call(event("page-view", options={"saveEvent": False}), event("sign-up")))
    assert answer["debugging"]["events"]["types"] == ["sign-up"]
    assert answer["debugging"]["events"]["seq"] == [1]
    assert store.profiles[answer["profile"]["id"]].doc["stats"]["counters"] == {"page-view": 1, "sign-up": 1}


@pytest.mark.parametrize("name", ["saveEvent", "saveEvents", "save"])
async def test_the_payloads_option_is_the_default_and_the_events_own_wins(store: ReadableStore, name: str) -> None:
    [answer] = await track(store, call(event("a"), event("b", options={name: True}), options={name: False}))
    assert answer["debugging"]["events"]["types"] == ["b"]


async def test_only_booleans_count_as_option_values(store: ReadableStore) -> None:
    [answer] = await track(
        store, call(event("a", options={"saveEvent": 0, "debugger": "false"}), options={"save": None})
    )
    assert answer["debugging"]["events"]["types"] == ["a"]


async def test_the_session_is_not_written_when_every_event_declines_it(store: ReadableStore) -> None:
    no = {"saveSession": False}
    await track(store, call(event("a", options=no), event("b", options=no), session="unwritten"))
    await track(store, call(event("a", options=no), event("b"), session="written"))
    assert set(store.sessions) == {"written"}


async def test_the_answer_carries_the_profile_without_its_private_parts(store: ReadableStore) -> None:
    granted = event("consent-granted", properties={"general": True})
    [answer] = await track(store, call(granted, event("a", options={"profile": True}), source=GENEROUS))
    profile = answer["profile"]
    assert profile["stats"]["counters"] == {"consent-granted": 1, "a": 1}
    assert "pii" not in profile
    assert profile["traits"] == {"public": {}}
    assert answer["source"] == {"consent": True}


async def test_a_log_entry_reports_that_a_source_returns_no_profile(store: ReadableStore) -> None:
    [answer] = await track(store, call(event("a"), options={"profile": True}))
    assert set(answer["profile"]) == {"id"}
    [entry] = answer["debugging"]["logs"]
    assert "returns_profile" in entry["message"]


async def test_without_debugger_the_answer_has_no_debugging(store: ReadableStore) -> None:
    [answer] = await track(store, call(event("a"), options={"debugger": False}))
    assert "debugging" not in answer
    assert len(store.events) == 1


async def test_an_event_without_debugger_is_left_out_of_debugging(store: ReadableStore) -> None:
    [answer] = await track(store, call(event("a", options={"debugger": False}), event("b")))
    assert answer["debugging"]["events"]["types"] == ["b"]
    assert answer["debugging"]["events"]["seq"] == [2]
    assert answer["debugging"]["events"]["saved"] == 1


async def test_without_logs_there_are_no_log_entries(store: ReadableStore) -> None:
    odd = {"time": {"create": "soon"}}
    [none, one] = await track(
        store,
        call(event("a", **odd), options={"logs": False, "profile": True}),
        call(event("a", id="a", **odd), event("b", options={"logs": False}, **odd)),
    )
    assert none["debugging"]["logs"] == []
    assert [entry["event_id"] for entry in one["debugging"]["logs"]] == ["a"]


async def test_later_calls_merge_into_the_sessions_context(store: ReadableStore) -> None:
    [_, second, third] = await track(
        store,
        call(context={"client": {"browser": "x"}, "a": 1}),
        call(context={"client": {"language": "en"}, "a": 2}, properties={"p": 1}),
        call(context={"a": 2}),
    )
    assert store.sessions["s"].context == {"client": {"browser": "x", "language": "en"}, "a": 2}
    assert store.sessions["s"].properties == {"p": 1}
    assert (second["debugging"]["session"]["saved"], third["debugging"]["session"]["saved"]) == (1, 0)


async def test_counters_alone_do_not_make_a_profile_saved(store: ReadableStore) -> None:
    [first, second] = await track(store, call(event("a")), call(event("a")))
    assert (first["debugging"]["profile"]["saved"], second["debugging"]["profile"]["saved"]) == (1, 0)


async def test_a_duplicate_is_recorded_once_and_answered_with_its_first_number(store: ReadableStore) -> None:
    once, twice = event("a", id="e-1"), event("b", id="e-2")
    [first, second] = await track(store, call(once, twice), call(event("c", id="e-3"), twice, once, once))
    assert first["debugging"]["events"] == second["debugging"]["events"] | {
        "saved": 2,
        "ids": ["e-1", "e-2"],
        "types": ["a", "b"],
        "seq": [1, 2],
    }
    assert second["debugging"]["events"]["ids"] == ["e-3", "e-2", "e-1", "e-1"]
    assert second["debugging"]["events"]["seq"] == [3, 2, 1, 1]
    assert second["debugging"]["events"]["saved"] == 1
    assert store.profiles[first["profile"]["id"]].doc["stats"]["counters"] == {"a": 1, "b": 1, "c": 1}


async def test_a_duplicate_of_an_event_that_was_not_saved_is_not_applied_again(store: ReadableStore) -> None:
    unsaved = event("a", id="e-1", options={"saveEvent": False})
    [first, second] = await track(store, call(unsaved), call(unsaved))
    assert second["debugging"]["events"]["ids"] == []
    assert store.profiles[first["profile"]["id"]].doc["stats"]["counters"] == {"a": 1}


async def test_the_same_id_in_another_profile_is_another_event(store: ReadableStore) -> None:
    await track(store, call(event("a", id="e-1"), session="s-1"), call(event("a", id="e-1"), session="s-2"))
    assert [(stored.id, stored.seq) for stored in store.events] == [("e-1", 1), ("e-1", 1)]


async def test_a_request_with_an_idempotency_key_is_recorded_once(store: ReadableStore) -> None:
    body = call(event("a"), event("a"), event("b", id="own"))
    [first, second] = await track(store, body, body, **{"idempotency-key": "k-1"})
    assert first["debugging"]["events"]["saved"] == 3
    assert second["debugging"]["events"]["saved"] == 0
    assert second["debugging"]["events"]["ids"] == first["debugging"]["events"]["ids"]
    assert second["debugging"]["events"]["seq"] == [1, 2, 3]
    [other] = await track(store, body, **{"idempotency-key": "k-2"})
    assert other["debugging"]["events"]["saved"] == 2


async def test_browsers_get_their_origin_echoed_on_every_answer_of_track(store: ReadableStore) -> None:
    origin = {"origin": "https://shop.example"}

    async with serving(store) as client:
        for answer in (
            await client.post("/track", json=call(event("a")), headers=origin),
            await client.post("/track", json=call(source="nobody"), headers=origin),
            await client.post("/track", content=b"{", headers=origin),
            await client.get("/track", headers=origin),
        ):
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in answer.headers["vary"]


async def test_a_preflight_allows_the_requested_headers(store: ReadableStore) -> None:
    requested = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, x-timestamp, idempotency-key",
    }

    async with serving(store) as client:
        answer = await client.options("/track", headers=requested)
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-allow-headers"] == requested["access-control-request-headers"]
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-max-age"] == "600"
        assert "Origin" in answer.headers["vary"]
        assert "x-process-time" in answer.headers


async def test_a_preflight_from_the_internet_to_a_private_network_is_allowed(store: ReadableStore) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-private-network": "true"}
    async with serving(store) as client:
        answer = await client.options("/track", headers={"origin": "https://shop.example"} | asked)
    assert (answer.status_code, answer.headers["access-control-allow-private-network"]) == (200, "true")


async def test_an_answer_has_its_processing_time(store: ReadableStore) -> None:
    async with serving(store) as client:
        answer = await client.post("/track", json=call(event("a")))
        assert 0 < float(answer.headers["x-process-time"]) < 30
