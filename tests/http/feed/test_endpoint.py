"""GET /feed over a real socket, from a real file."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.http_stores import Database
from tests.support.payloads import payload
from tests.support.polling import eventually
from tests.support.raw_http import connected
from tests.support.serving import serving_file
from trackd.http.feed import stream

EVENTS = {"accept": "text/event-stream"}


async def track(client: httpx.AsyncClient, *types: str, session: str = "s") -> str:
    """The id of the profile."""
    answer = await client.post("/track", json=payload(session, *types))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["profile"]["id"])


async def lines(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get("/feed", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def messages(answer: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """The id and the data of each server-sent event; comments as data without an id."""
    found = {"id": "", "data": ""}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "":
            if line:
                yield "", value
            elif any(found.values()):
                yield found["id"], found["data"]
                found = {"id": "", "data": ""}
        elif name in found:
            found[name] = value


async def test_lines_are_the_documents_in_their_order_each_with_kind_and_cursor(db: Database) -> None:
    async with serving_file(db) as client:
        await track(client, "a", "b")
        await track(client, "c", session="t")

        records = await lines(client, after=0)

        assert [(each["kind"], each["type"]) for each in records] == [("event", "a"), ("event", "b"), ("event", "c")]
        document = (await client.get(f"/event/{records[2]['id']}")).json()
        assert records[2] == {"kind": "event", "cursor": records[2]["cursor"], **document}
        assert await lines(client, after=records[1]["cursor"]) == records[2:]
        assert await lines(client, after=0, limit=2) == records[:2]
        assert await lines(client, after=records[2]["cursor"]) == []


async def test_filters_select_events_and_kinds_select_records(db: Database) -> None:
    async with serving_file(db) as client:
        profile = await track(client, "a", "b")
        await track(client, "a", session="t")
        erased = await track(client, "c", session="u")
        assert (await client.delete(f"/profile/{erased}")).status_code == 200

        async def types(**parameters: Any) -> list[str]:
            return [each.get("type", each["kind"]) for each in await lines(client, after=0, **parameters)]

        assert await types() == ["a", "b", "a", "erased"]
        assert await types(kinds="event") == ["a", "b", "a"]
        assert await types(kinds="erased") == ["erased"]
        assert await types(kinds="event", type="a", profile=profile) == ["a"]
        assert await types(kinds="event", session="t") == ["a"]
        assert await types(kinds="event", source="another") == await types(kinds="event", status="invalid") == []
        assert await types(profile=erased) == ["erased"]
        newest = [each.get("type", each["kind"]) for each in await lines(client, newest=2, kinds="event")]
        assert newest == ["b", "a"]
        assert await types(newest=1) == await types(), "`after` wins"
        assert (await client.get("/feed", params={"newest": 10_001})).status_code == 422


async def test_refusals_are_in_the_feed_on_request_as_their_list_has_them(db: Database) -> None:
    async with serving_file(db) as client:
        profile = await track(client, "a")
        assert (await client.post("/track", json=payload("S", "t", source="nope", profile="P"))).status_code == 401

        async def refusals(**parameters: Any) -> list[dict[str, Any]]:
            return [each for each in await lines(client, **parameters) if each["kind"] == "refusal"]

        await eventually(lambda: refusals(after=0, kinds="refusal"))
        records = await lines(client, after=0, kinds="event,erased,refusal")
        [refusal] = await refusals(after=0, kinds="refusal")
        [listed] = (await client.get("/refusals")).json()["result"]

        assert refusal == {"kind": "refusal", "cursor": refusal["cursor"], **listed}
        assert (refusal["status"], refusal["reason"]) == (401, "unknown_source")
        assert [each["kind"] for each in records] == ["event", "refusal"]
        assert await lines(client, after=records[-1]["cursor"], kinds="event,refusal") == []
        assert await lines(client, after=0) == [{**records[0], "cursor": records[0]["cursor"].split(".r")[0]}]
        assert await refusals(after=0, kinds="refusal", profile="P") == [refusal]
        assert await refusals(after=0, kinds="refusal", profile=profile) == []


async def test_a_refusal_wakes_a_feed_that_waits(db: Database) -> None:
    async with serving_file(db) as client:
        following = asyncio.create_task(lines(client, after=0, kinds="refusal", limit=1, wait=60))
        await eventually(lambda: _has_subscriber(client))
        assert (await client.post("/track", json=payload("S", "t", source="nope"))).status_code == 401

        assert [each["reason"] for each in await following] == ["unknown_source"]


async def test_without_a_cursor_a_feed_begins_now_and_the_position_is_in_a_header_and_on_request_in_a_line(
    db: Database,
) -> None:
    async with serving_file(db) as client:
        await track(client, "before")
        empty = await client.get("/feed")
        asked = await lines(client, kinds="event,position")
        head = await client.head("/feed")
        await track(client, "after")

        assert empty.text == ""
        assert asked == [{"kind": "position", "cursor": empty.headers["x-cursor"]}]
        assert head.headers["x-cursor"] == empty.headers["x-cursor"]
        assert [each["type"] for each in await lines(client, after=empty.headers["x-cursor"])] == ["after"]


async def test_lines_wait_for_records_and_end_at_the_limit(db: Database) -> None:
    async with serving_file(db) as client:
        following = asyncio.create_task(lines(client, after=0, limit=3, wait=60))
        await track(client, "a")
        await track(client, "b", "c", "d")

        assert [each["type"] for each in await following] == ["a", "b", "c"]
        assert [each["type"] for each in await lines(client, after=0, wait=0.01)] == ["a", "b", "c", "d"]


async def test_server_sent_events_follow_the_commits_and_go_on_after_the_last_id(db: Database) -> None:
    async with serving_file(db) as client:
        await track(client, "a")
        async with client.stream("GET", "/feed", params={"after": "0"}, headers=EVENTS) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-store")
            found = messages(answer)
            cursor, data = await anext(
                found
            )  # its own cursor is the first one: one of a record behind it would skip it
            assert (json.loads(data)["type"], json.loads(data)["cursor"]) == ("a", cursor)
            await track(client, "b")
            assert json.loads((await anext(found))[1])["type"] == "b"

        async with client.stream("GET", "/feed?after=0", headers={**EVENTS, "last-event-id": cursor}) as answer:
            assert json.loads((await anext(messages(answer)))[1])["type"] == "b"


async def test_a_filter_that_matches_nothing_moves_the_position_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    async with (
        serving_file(db) as client,
        client.stream("GET", "/feed", params={"type": "never"}, headers=EVENTS) as answer,
    ):
        found = messages(answer)
        first, _ = await anext(found)
        await track(client, "a")
        cursor, data = await anext(found)
        while cursor == first:
            cursor, data = await anext(found)

        assert (cursor, data) == ((await client.get("/feed")).headers["x-cursor"], "")


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("after=1", "after"),
        ("after=1.0123456789abcdef.e01", "after"),
        ("after=1.0123456789abcdef.e-1", "after"),
        ("after=", "after"),
        ("after=1.0123456789abcdef.e1.r", "after"),
        ("kinds=event,unknown", "kinds"),
        ("kinds=", "kinds"),
        ("limit=0", "limit"),
        ("wait=-1", "wait"),
        ("wait=1e9", "wait"),
        ("status=unknown", "status"),
        ("profile=", "profile"),
        ("other=1", "other"),
    ],
)
async def test_a_faulty_parameter_is_named(db: Database, query: str, place: str) -> None:
    async with serving_file(db) as client:
        answer = await client.get(f"/feed?{query}")

    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["query", place]]


async def test_a_faulty_last_event_id_and_an_end_of_server_sent_events_are_refused(db: Database) -> None:
    async with serving_file(db) as client:
        faulty = await client.get("/feed", headers={**EVENTS, "last-event-id": "7"})
        limited = await client.get("/feed?limit=5", headers=EVENTS)

    assert (faulty.status_code, faulty.json()["detail"][0]["loc"]) == (422, ["header", "Last-Event-ID"])
    assert (limited.status_code, "do not end" in limited.text) == (422, True)


async def test_the_cursor_of_another_database_is_answered_410_with_the_oldest_one(db: Database) -> None:
    async with serving_file(db) as client:
        await track(client, "a")
        answer = await client.get("/feed?after=1.0123456789abcdef.e1")
        detail = answer.json()["detail"]

        assert (answer.status_code, "another database" in detail["reason"]) == (410, True)
        assert [each["type"] for each in await lines(client, after=detail["oldest"])] == ["a"]


async def test_more_feeds_than_allowed_are_refused_and_those_whose_clients_go_away_are_not_counted(
    db: Database,
) -> None:
    async with serving_file(db, max_subscribers=1) as client:
        for _ in range(3):
            async with client.stream("GET", "/feed", headers=EVENTS) as answer:
                assert answer.status_code == 200
                refused = await client.get("/feed")
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            await eventually(lambda: _is_free(client))


async def _has_subscriber(client: httpx.AsyncClient) -> bool:
    return "trackd_feed_subscribers 1.0" in (await client.get("/metrics")).text


async def _is_free(client: httpx.AsyncClient) -> bool:
    return "trackd_feed_subscribers 0.0" in (await client.get("/metrics")).text


async def test_a_feed_of_a_token_that_is_not_valid_any_more_ends(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackd.http.feed.pages.CHECK_S", 0.05)
    async with serving_file(db) as client:
        monkeypatch.setattr("trackd.http.authentication.Authenticator.by_hash", lambda *_: None)
        async with client.stream("GET", "/feed", headers=EVENTS) as answer:
            assert [data async for _, data in messages(answer)][1].startswith("the token")


@pytest.mark.parametrize("connection", ["", "Connection: keep-alive\r\n"])
@pytest.mark.parametrize("path", ["/feed?after=0", "/profile/{profile}/export"])
async def test_an_answer_of_unknown_length_ends_with_the_connection_in_http_1_0_which_has_no_chunks(
    db: Database, path: str, connection: str
) -> None:
    async with serving_file(db) as client:
        path = path.format(profile=await track(client, "a", "b"))
        expected = (await client.get(path)).content
        token = client.headers["authorization"]
        async with connected(str(client.base_url)) as raw:
            await raw.send(f"GET {path} HTTP/1.0\r\nAuthorization: {token}\r\n{connection}\r\n".encode())
            head, _, body = (await raw.rest()).partition(b"\r\n\r\n")

    assert body == expected
    assert b"transfer-encoding" not in head
    assert head.count(b"connection: close") == 1


async def test_the_head_of_an_answer_does_not_wait_for_a_record(db: Database) -> None:
    async with serving_file(db) as client, connected(str(client.base_url)) as raw:
        token = client.headers["authorization"]
        await raw.send(f"GET /feed?wait=3600 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
        answer = await raw.answer()

    assert answer.status == 200
    assert b"x-cursor" in answer.head
