"""Text of clients over a real socket: half an emoji anywhere in a body, marks, charsets, forms."""

import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.http.error_requests import JSON, ask, refusal
from tests.http.server.track_requests import chunked, connection_to_server, post
from tests.support.http_stores import MakeStore, ReadableStore
from tests.support.payloads import SOURCE_ID
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Source
from trackd.storage.memory import MemoryStore

HALF, MENDED = "Sale \ud83d", "Sale \ufffd"
EVENT: dict[str, Any] = {"type": "t", "id": "e-1"}
CALL: dict[str, Any] = {"source": {"id": SOURCE_ID}, "session": {"id": "s"}, "events": [EVENT]}


def sentence(*places: str) -> str:
    shown = ", ".join(f"`{place}`" for place in places)
    return f"A lone surrogate, such as half an emoji, is replaced with U+FFFD in {shown}."


def entry(event_id: str | None, *places: str) -> dict[str, Any]:
    return {"type": "warning", "event_id": event_id, "rule": None, "message": sentence(*places)}


# Where half an emoji stands, and the entries that the answer has because of it.
PLACES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "a property": ({"events": [{**EVENT, "properties": {"title": HALF}}]}, [entry("e-1", "properties.title")]),
    "a key": ({"events": [{**EVENT, "properties": {HALF: 1}}]}, [entry("e-1", f"properties.{MENDED}")]),
    "a list": ({"events": [{**EVENT, "context": {"a": [0, {"b": HALF}]}}]}, [entry("e-1", "context.a.1.b")]),
    "a type": ({"events": [{**EVENT, "type": HALF}]}, [entry("e-1", "type")]),
    "an event's id": ({"events": [{**EVENT, "id": HALF}]}, [entry(MENDED, "id")]),
    "an event's time": ({"events": [{**EVENT, "metadata": {"of": HALF}}]}, [entry("e-1", "metadata.of")]),
    "an event's ignored field": ({"events": [{**EVENT, "tags": [HALF]}]}, [entry("e-1", "tags.0")]),
    "an option": ({"options": {"x": HALF}}, [entry(None, "options.x")]),
    "the session's id": ({"session": {"id": HALF}}, [entry(None, "session.id")]),
    "the profile's id": ({"profile": {"id": HALF}}, [entry(None, "profile.id")]),
    "the context": ({"context": {"page": {"title": HALF}}}, [entry(None, "context.page.title")]),
    "an ignored field": ({"device": {"name": HALF}}, [entry(None, "device.name")]),
    "two events": (
        {"events": [{**EVENT, "properties": {"a": HALF}}, {"type": HALF, "id": "e-2"}]},
        [entry("e-1", "properties.a"), entry("e-2", "type")],
    ),
}
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "fast path": post,
    "slow path": chunked,
    "gzip": lambda body: post(gzip.compress(body), "Content-Encoding: gzip"),
    "beacon": lambda body: post(body, "Origin: https://shop.example").replace(b"application/json", b"text/plain"),
}


def mended(value: Any) -> Any:
    return json.loads(json.dumps(value).replace("\\ud83d", "\\ufffd"))


@pytest.fixture
def store(make_store: MakeStore) -> ReadableStore:
    return make_store([Source(SOURCE_ID, "test")])


@pytest.mark.parametrize("where", PLACES)
async def test_half_an_emoji_is_replaced_wherever_it_stands_with_a_log_entry(where: str, store: ReadableStore) -> None:
    more, entries = PLACES[where]
    sent = CALL | more

    async with connection_to_server(store) as connection:
        answer = await connection.ask(post(json.dumps(sent).encode()))

    assert answer.status == 200
    assert answer.json()["debugging"]["logs"] == entries
    kept = mended(sent)
    assert answer.json()["session"]["id"] == kept["session"]["id"]
    [session] = store.sessions.values()
    assert (session.id, session.context) == (kept["session"]["id"], kept.get("context", {}))
    assert [(event.type, event.id) for event in store.events] == [(e["type"], e["id"]) for e in kept["events"]]
    stored = [(json.loads(event.properties), json.loads(event.context)) for event in store.events]
    assert stored == [(e.get("properties", {}), e.get("context", {})) for e in kept["events"]]


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_of_a_call_replaces_half_an_emoji(way: str, store: ReadableStore) -> None:
    body = json.dumps(CALL | {"events": [{**EVENT, "properties": {HALF: [HALF, "\U0001f600"]}}]}).encode()

    async with connection_to_server(store) as connection:
        answers = [await connection.ask(WAYS[way](body)) for _ in range(3)]  # the last has its head in the cache

    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].json()["debugging"]["logs"] == [entry("e-1", f"properties.{MENDED}", f"properties.{MENDED}.0")]
    [event] = store.events
    assert json.loads(event.properties) == {MENDED: [MENDED, "\U0001f600"]}


async def test_a_client_that_wants_no_log_has_no_entry_and_its_event_is_stored(store: ReadableStore) -> None:
    quiet = {"logs": False}
    sent = CALL | {"device": HALF, "options": quiet, "events": [{**EVENT, "type": HALF}]}

    async with serving(store) as client:
        answer = await client.post("/track", content=json.dumps(sent))

    assert (answer.status_code, answer.json()["debugging"]["logs"]) == (200, [])
    assert [event.type for event in store.events] == [MENDED]


async def test_a_surrogate_that_is_encoded_alone_is_not_utf_8() -> None:
    body = json.dumps(CALL | {"device": "x"}).encode().replace(b'"x"', b'"\xed\xa0\xbd"')
    for encode in (post, chunked):
        async with connection_to_server() as connection:
            answer = await connection.ask(encode(body))
        [fault] = answer.json()["detail"]
        assert (answer.status, fault["loc"], fault["type"]) == (422, ["body"], "json_invalid")
        assert "a surrogate that is encoded alone, as CESU-8 does" in fault["msg"]


async def test_half_an_emoji_in_a_source_is_replaced_and_a_byte_order_mark_is_skipped() -> None:
    async with serving(MemoryStore(), admin=True) as client:
        for body in (b'{"id": "a\\ud83d", "name": "Sale \\ud83d"}', b'\xef\xbb\xbf{"id": "b", "name": "Sale \\ufffd"}'):
            added = await client.post("/event-source", content=body, headers=JSON)
            assert (added.status_code, added.json()["name"]) == (200, MENDED)
        changed = await client.patch("/event-source/b", content=b'{"name": "\\udc00"}', headers=JSON)
        assert (changed.status_code, changed.json()["name"]) == (200, "\ufffd")
        assert {found["id"] for found in (await client.get("/event-sources")).json()["result"]} == {"a\ufffd", "b"}


async def test_a_byte_order_mark_is_skipped() -> None:
    body = b"\xef\xbb\xbf" + json.dumps(CALL).encode()
    gz = {"content-encoding": "gzip"}
    answers = await ask(
        {"content": body, "headers": JSON}, {"content": body}, {"content": gzip.compress(body), "headers": JSON | gz}
    )
    assert [answer.status_code for answer in answers] == [200] * 3


FORMS: dict[str, dict[str, Any]] = {
    "urlencoded": {"data": {"payload": json.dumps(CALL)}},
    "a field of another name": {"data": {"data": json.dumps(CALL), "z": "1"}},
    "multipart": {"data": {"z": "1"}, "files": {"payload": (None, json.dumps(CALL))}},
    "a file": {"files": {"data": ("blob", json.dumps(CALL), "application/json")}},
    "URLSearchParams": {
        "content": urlencode({"payload": json.dumps(CALL)}),
        "headers": {"content-type": "application/x-www-form-urlencoded;charset=UTF-8", "origin": "https://a.example"},
    },
    "JSON of curl -d": {"content": json.dumps(CALL), "headers": {"content-type": "application/x-www-form-urlencoded"}},
    "text/json": {"content": json.dumps(CALL), "headers": {"content-type": 'text/json; charset="UTF-8"'}},
}


async def test_forms_and_further_content_types_are_taken(store: ReadableStore) -> None:
    answers = await ask(*FORMS.values(), store=store)
    assert [answer.status_code for answer in answers] == [200] * len(FORMS)
    assert [event.id for event in store.events] == ["e-1"]


async def test_a_form_may_be_as_large_as_any_body() -> None:
    large: dict[str, Any] = {"data": {"payload": json.dumps(CALL | {"context": {"text": "x" * 2_000}})}}
    settings = Settings(limits=Limits(max_body_bytes=2_000))
    assert "2000 bytes" in await refusal(413, large, settings=settings)
    large["files"] = {"z": ("z", "", "text/plain")}
    assert "2000 bytes" in await refusal(413, large, settings=settings)


async def test_another_charset_is_415_and_named() -> None:
    body = json.dumps(CALL).encode("utf-16")
    for content_type in ("application/json; charset=utf-16", "text/plain;charset=utf-16"):
        assert "`utf-16`" in await refusal(415, {"content": body, "headers": {"content-type": content_type}})
