"""Every id can be named in the query, also one that a path cannot name."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Server, Settings
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

IDS = [
    *("count", "x/events", "x/sessions", "x/export", "events", "sessions", "export", "session"),
    *(".", "..", "../event/count", "a/", "/", "//", "%2F", "%252F", "100%", "a+b c", "a&id=b", "a;b", "?#[]@:"),
    *(
        "a\nb",
        "a\r\n\r\nb",
        "a\tb",
        "\x00",
        "\x1b[31m",
        "\u200bx",
        "\u202e",
        "\u3164",
        "\u2800",
        "é🙂",
        "e\u0301",
        "'\"\\",
    ),
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Each of the ids is that of a profile, of its session and of an event."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", permanent_profile_id=True))
    settings = Settings(server=Server(drain_ms=0))
    async with serving(SqliteStore(path), settings, admin=True) as client:
        answers = await asyncio.gather(*(_track(client, each) for each in IDS))
        assert [answer["profile"]["id"] for answer in answers] == IDS
        yield client


async def _track(client: httpx.AsyncClient, name: str) -> Any:
    call = payload(name, profile=name, events=[{"type": "t", "id": name}])
    return (await client.post("/track", json=call)).json()


async def get(client: httpx.AsyncClient, path: str, name: str) -> Any:
    answer = await client.get(path, params={"id": name})
    assert answer.status_code == 200, (path, name, answer.text)
    return answer.json()


async def test_every_document_is_read_by_its_id(client: httpx.AsyncClient) -> None:
    for name in IDS:
        profile, session = await get(client, "/profile", name), await get(client, "/session", name)
        event = await get(client, "/event", name)
        assert (profile["id"], session["id"], event["id"]) == (name, name, name)
        assert (await get(client, "/profile/events", name))["result"] == [event]
        assert (await get(client, "/profile/sessions", name))["result"] == [session]
        assert (await get(client, "/events/session", name))["result"] == [event]
        exported = await get(client, "/profile/export", name)
        assert exported == {"profile": profile, "sessions": [session], "events": [event]}


async def test_every_profile_can_be_erased(client: httpx.AsyncClient) -> None:
    for name in IDS:
        erased = await client.delete("/profile", params={"id": name, "keep": "events"})
        assert (erased.status_code, erased.json()) == (200, {"id": name})
        for answer in (await client.get("/profile", params={"id": name}), await client.delete("/profile?id=x")):
            assert (answer.status_code, answer.json()) == (404, None)
    assert (await client.get("/profile/count")).json() == {"count": 0}


async def test_without_an_id_in_the_query_a_path_means_what_it_did(client: httpx.AsyncClient) -> None:
    for name in ("events", "sessions", "export"):
        assert (await client.get(f"/profile/{name}")).json()["id"] == name
        assert (await client.delete(f"/profile/{name}")).json() == {"id": name}
    assert (await client.get("/profile/events?limit=1")).status_code == 422
    assert "DELETE" in (await client.options("/profile/events")).headers["allow"]
    assert (await client.options("/profile/events?id=x")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await client.delete("/profile/events?id=x")).status_code == 405
    assert (await client.head("/profile/export", params={"id": "count"})).status_code == 200


async def test_an_id_has_to_be_given_once(client: httpx.AsyncClient) -> None:
    for path in ("/profile", "/session", "/event", "/events/session"):
        for query in ("", "?id=", "?id=a&id=b", "?ids=a", "?ID=a"):
            answer = await client.get(path + query)
            assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "id"]), path + query


async def test_other_parameters_are_checked_as_ever_and_no_other_endpoint_takes_an_id(
    client: httpx.AsyncClient,
) -> None:
    for path, names in {
        "/profile/events?id=x&limit=0": ["limit"],
        "/profile?id=x&limit=1": ["limit"],
        "/profile/x?id=x": ["id"],
        "/profiles?id=x": ["id"],
        "/profile/count?id=x": ["id"],
    }.items():
        answer = await client.get(path)
        assert (answer.status_code, [fault["loc"] for fault in answer.json()["detail"]]) == (
            422,
            [["query", name] for name in names],
        ), path
    assert (await client.delete("/profile?id=x&id=count")).status_code == 422
    assert (await client.get("/profile", params={"id": "count"})).status_code == 200


async def test_a_stored_id_with_blanks_around_it_is_named_exactly(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Another tool or an older trackd may have written it."""
    execute(tmp_path / "trackd.db", "UPDATE session SET id = ' x\u3000' WHERE id = 'count'")
    assert (await get(client, "/session", " x\u3000"))["id"] == " x\u3000"
    assert (await client.get("/session", params={"id": "x"})).status_code == 404


async def test_a_source_is_named_in_the_query_too(client: httpx.AsyncClient) -> None:
    named = {"params": {"id": ".."}}
    assert (await client.post("/event-source", json={"id": "..", "name": "up"})).status_code == 200
    for path in ("/event-source", "/event-sources"):
        listed = (await client.get(path, **named)).json()  # type: ignore[arg-type]
        assert (listed["total"], [source["name"] for source in listed["result"]]) == (1, ["up"])
    changed = await client.patch("/event-source", json={"name": "down"}, **named)  # type: ignore[arg-type]
    assert changed.json()["name"] == "down"
    replaced = await client.put("/event-source", json=changed.json(), **named)  # type: ignore[arg-type]
    assert replaced.json()["name"] == "down"
    assert (await client.delete("/event-source", **named)).json() == {"id": ".."}  # type: ignore[arg-type]
    assert (await client.get("/event-source", **named)).json()["result"] == []  # type: ignore[arg-type]
