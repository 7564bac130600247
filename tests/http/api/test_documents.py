"""Reading stored documents over a real socket from a real file."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.http_stores import Database
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving_file
from trackd.http.api import documents


async def track(client: httpx.AsyncClient, *types: str, session: str = "s", **more: Any) -> dict[str, Any]:
    answer = await client.post("/track", json=payload(session, *types, **more))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def test_a_read_after_an_answered_call_includes_it(db: Database) -> None:
    async with serving_file(db) as client:
        for number in range(1, 30):
            answer = await track(client, "page-view", context={"n": number})
            profile_id = answer["profile"]["id"]
            profile, events, session, event = await asyncio.gather(
                get(client, f"/profile/{profile_id}"),
                get(client, f"/profile/{profile_id}/events", limit=1),
                get(client, "/session/s"),
                get(client, f"/event/{answer['debugging']['events']['ids'][0]}"),
            )
            assert (profile["id"], profile["seq"], profile["stats"]["views"]) == (profile_id, number, number)
            assert events["result"] == [event]
            assert (event["seq"], event["profile"], event["type"]) == (number, {"id": profile_id}, "page-view")
            assert (session["profile"], session["context"]) == ({"id": profile_id}, {"n": number})


async def test_reads_during_calls_of_the_profile_return_no_state_older_than_an_answer(
    db: Database,
) -> None:

    async with serving_file(db) as client:
        profile_id = (await track(client, "t"))["profile"]["id"]
        seen: list[int] = []

        async def watch() -> None:
            while not tracking.done():
                before = answered[-1]
                seen.append((await get(client, f"/profile/{profile_id}"))["seq"])
                assert seen[-1] >= before

        async def calls() -> None:
            while answered[-1] < 40:
                answered.append((await track(client, "t"))["debugging"]["events"]["seq"][0])

        answered = [1]
        tracking = asyncio.create_task(calls())
        await asyncio.gather(tracking, *(watch() for _ in range(4)))
        assert len(seen) > 4


async def test_lists_come_in_pages_with_a_cursor_to_the_next(db: Database) -> None:
    async with serving_file(db) as client:
        profile_id = (await track(client, *["t"] * 7))["profile"]["id"]
        await track(client, "u", session="other")
        for path, expected in [
            (f"/profile/{profile_id}/events", [7, 6, 5, 4, 3, 2, 1]),
            ("/events/session/s", [7, 6, 5, 4, 3, 2, 1]),
            ("/events", [1, 7, 6, 5, 4, 3, 2, 1]),
        ]:
            found: list[int] = []
            parameters: dict[str, Any] = {"limit": 3}
            for _ in range(len(expected) // 3 + 1):
                page = await get(client, path, **parameters)
                assert len(page["result"]) <= 3
                found += [event["seq"] for event in page["result"]]
                parameters["cursor"] = page["next"]
            assert (found, page["next"]) == (expected, None)


async def test_filters_choose_events_and_profiles(db: Database) -> None:
    async with serving_file(db) as client:
        first = await track(client, "page-view", "purchase-order")
        bad = {"type": "purchase-order", "properties": {"total": -1}, "time": "2024-02-29T12:00:00Z"}
        await track(client, session="z", events=[bad])

        async def types(**parameters: Any) -> list[str]:
            return [event["type"] for event in (await get(client, "/events", **parameters))["result"]]

        assert await types(type="page-view") == ["page-view"]
        assert await types(status="invalid") == ["purchase-order"]
        assert await types(source=SOURCE_ID, status="validated") == ["purchase-order"]
        assert await types(before="2020-01-01") == []
        for early in (
            "2020-01-01T00:00:00+02:00",
            "2020-001",
            "2020-01",
            " 20200101T000000Z",
            "2020-W01-3T24",
            "1577836800",
        ):
            assert (len(await types(after=early)), await types(before=early)) == (3, []), early
        assert await types(created_after="2024-02-29", created_before="2024-03") == ["purchase-order"]
        assert await types(created_before="2024-02-29T12:00:00Z") == []
        assert await types(created_after="2024-060T12", type="page-view") == ["page-view"]
        invalid = (await get(client, "/events", status="invalid"))["result"][0]
        assert len(invalid["metadata"]["reasons"]) == 1

        customers = (await get(client, "/profiles", segment="customers"))["result"]
        assert [profile["id"] for profile in customers] == [first["profile"]["id"]]
        assert len((await get(client, "/profiles", seen_after="2020-01-01"))["result"]) == 2
        assert (await get(client, "/profiles", trait="none:x"))["result"] == []


async def test_a_trait_is_found_by_any_key_and_by_equal_json(db: Database) -> None:
    traits = {"utm.source": "google", 'the "new" one': {"a.b": 5.0}, "n": 10**30}
    async with serving_file(db) as client:
        profile_id = (await track(client, events=[{"type": "sign-up", "properties": {"traits": traits}}]))["profile"][
            "id"
        ]
        for trait in (
            '"utm.source"',
            '"utm.source":google',
            r'"the \"new\" one"."a.b":5',
            "n:" + "1" + "0" * 30,
        ):
            result = (await get(client, "/profiles", trait=trait))["result"]
            assert [profile["id"] for profile in result] == [profile_id], trait
        for other in ("utm.source", '"utm.source":Google', "n:1e30"):
            assert (await get(client, "/profiles", trait=other))["result"] == [], other


async def test_counts_are_those_of_stored_documents(db: Database) -> None:
    async with serving_file(db) as client:
        assert [(await get(client, f"/{kind}/count"))["count"] for kind in ("profile", "session", "event")] == [0, 0, 0]
        known = (await track(client, "t", "t"))["profile"]["id"]
        await track(client, session="other", profile=known)
        assert [(await get(client, f"/{kind}/count"))["count"] for kind in ("profile", "session", "event")] == [1, 2, 2]


async def test_a_document_that_does_not_exist_is_404_with_null(db: Database) -> None:
    async with serving_file(db) as client:
        paths = ["/profile/x", "/profile/x/events", "/profile/x/sessions", "/profile/x/export"]
        for path in [*paths, "/session/x", "/events/session/x", "/event/x", "/event-source/x"]:
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (404, "null"), path


@pytest.mark.parametrize("odd", ["a/b", "a b", "é🙂", "a%2Fb", "count/1", "x?y", "a\tb"])
async def test_an_id_may_have_any_characters(db: Database, odd: str) -> None:
    async with serving_file(db) as client:
        answer = await track(client, session=odd, profile=odd, events=[{"type": "t", "id": odd}])
        assert answer["profile"]["id"] == odd
        quoted = "".join(f"%{byte:02X}" for byte in odd.encode())
        for path in (f"/profile/{quoted}", f"/session/{quoted}", f"/event/{quoted}"):
            assert (await get(client, path))["id"] == odd
        assert len((await get(client, f"/profile/{quoted}/events"))["result"]) == 1
        assert len((await get(client, f"/events/session/{quoted}"))["result"]) == 1


FAULTY = {
    "/events?limit=0": ["query", "limit"],
    "/events?limit=1001": ["query", "limit"],
    "/events?limit=ten": ["query", "limit"],
    "/events?cursor=x": ["query", "cursor"],
    "/events?cursor=-1": ["query", "cursor"],
    "/events?cursor=99999999999999999999": ["query", "cursor"],
    "/events?after=yesterday": ["query", "after"],
    "/events?before=2026-13-01": ["query", "before"],
    "/events?before=": ["query", "before"],
    "/events?created_after=yesterday": ["query", "created_after"],
    "/events?created_before=": ["query", "created_before"],
    "/events?status=good": ["query", "status"],
    "/events?tpye=t": ["query", "tpye"],
    "/profiles?trait=": ["query", "trait"],
    "/profiles?trait=a..b": ["query", "trait"],
    '/profiles?trait="a': ["query", "trait"],
    '/profiles?trait="a"b': ["query", "trait"],
    "/profiles?seen_after=1e3": ["query", "seen_after"],
    "/profile/%20": ["path", "id"],
    f"/session/{'x' * 256}": ["path", "id"],
    "/profile/x/events?limit=0": ["query", "limit"],
    "/event/count?x=1": ["query", "x"],
}


async def test_422_names_the_fault_in_path_or_query(db: Database) -> None:
    async with serving_file(db) as client:
        answers = {path: await client.get(path) for path in FAULTY}
        assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(FAULTY, 422)
        named = {path: [fault["loc"] for fault in answer.json()["detail"]] for path, answer in answers.items()}
        assert named == {path: [loc] for path, loc in FAULTY.items()}


async def test_an_export_has_all_documents_of_a_profile_over_many_pages(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "EXPORT_PAGE", 3)

    async with serving_file(db) as client:
        known = (await track(client, *["t"] * 8))["profile"]["id"]
        for number in range(6):
            await track(client, session=f"s{number}", profile=known)
        await track(client, "of another", session="another")

        exported = await get(client, f"/profile/{known}/export")

        assert exported["profile"] == await get(client, f"/profile/{known}")
        assert [event["seq"] for event in exported["events"]] == [8, 7, 6, 5, 4, 3, 2, 1]
        assert {session["id"] for session in exported["sessions"]} == {"s", *(f"s{number}" for number in range(6))}

        alone = (await track(client, session="alone"))["profile"]["id"]
        assert (await get(client, f"/profile/{alone}/export"))["events"] == []


async def test_a_merged_id_finds_the_profile_that_it_was_merged_into(db: Database) -> None:
    async with serving_file(db) as client:
        known = (await track(client, "t"))["profile"]["id"]
        assert (await client.get("/profile/old")).status_code == 404
        execute(db, "INSERT INTO merged VALUES ('old', ?)", known)
        assert (await get(client, "/profile/old"))["id"] == known
        assert len((await get(client, "/profile/old/events"))["result"]) == 1


async def test_documents_in_lists_equal_those_read_one_by_one(db: Database) -> None:
    async with serving_file(db) as client:
        known = (await track(client, "t", "u"))["profile"]["id"]
        assert (await get(client, "/profiles"))["result"] == [await get(client, f"/profile/{known}")]
        listed = (await get(client, f"/profile/{known}/sessions"))["result"]
        assert listed == [await get(client, "/session/s")]
        for event in (await get(client, "/events"))["result"]:
            assert event == await get(client, f"/event/{event['id']}")
    assert json.loads(rows(db, "SELECT doc FROM profile")[0]["doc"])["seq"] == 2


async def test_rows_with_a_text_that_is_not_utf_8_are_a_500_that_names_the_remedy(file: Path) -> None:
    async with serving_file(file) as client:
        profile_id = (await track(client, "t"))["profile"]["id"]
        event_id = (await get(client, "/events"))["result"][0]["id"]
    for table, column in (("session", "context"), ("event", "properties"), ("profile", "doc")):
        execute(file, f"UPDATE {table} SET {column} = CAST(x'7b22ff' AS TEXT)")
    async with serving_file(file) as client:
        for path in ("/session/s", f"/event/{event_id}", f"/profile/{profile_id}", f"/profile/{profile_id}/export"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers.get("retry-after")) == (500, None)
            assert answer.json() == {"detail": "A stored row that this needs is damaged: `trackd verify` names it."}


@pytest.mark.parametrize("doc", ["{", "[]", "none", '{"a":' + "[" * 9_999 + "]" * 9_999 + "}"])
async def test_a_profile_whose_stored_document_is_damaged_is_a_500_that_names_the_remedy(
    file: Path, doc: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_file(file) as client:
        profile_id = (await track(client, "t"))["profile"]["id"]
    execute(file, "UPDATE profile SET doc = ?", doc)
    async with serving_file(file) as client:
        for path in (f"/profile/{profile_id}", f"/profile/{profile_id}/export"):
            answer = await client.get(path)
            assert answer.status_code == 500
            assert answer.json() == {"detail": "A stored row that this needs is damaged: `trackd verify` names it."}
    assert not [record for record in caplog.records if record.exc_info]
