"""The headers that are kept with the session, and the search for a person, over a real socket."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Limits, Privacy, Server, Settings
from trackd.core.documents import Source
from trackd.core.rules.compiling import compile_rules
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

HEADERS = {"user-agent": "Browser/1", "referer": "https://shop.example/a"}
SLOW = {"origin": "https://shop.example"}  # a call of a browser does not take the fast path
RULES = compile_rules(
    {
        "rule": [
            {
                "name": "mobile",
                "event": "t",
                "when": "session.context.user_agent == 'Browser/1' && session.context.page.url == '/sale'",
                "steps": [{"target": "traits.public.mobile", "value": True}],
            }
        ]
    },
    Limits(),
)
BOTH = Privacy(user_agent=True, referrer=True)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
        sources.add(Source("wary", "wary", consent=True))
    return SqliteStore(path)


async def sent(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> Any:
    answer = await client.post("/track", json={**payload("s", "t"), **body}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def context(client: httpx.AsyncClient) -> Any:
    return (await client.get("/session/s")).json()["context"]


@pytest.mark.parametrize("path", [{}, SLOW], ids=["fast path", "slow path"])
@pytest.mark.parametrize(
    ("privacy", "kept"),
    [
        (Privacy(), {}),
        (Privacy(user_agent=True), {"user_agent": "Browser/1"}),
        (BOTH, {"user_agent": "Browser/1", "referrer": "https://shop.example/a"}),
    ],
)
async def test_headers_are_kept_with_the_session_as_set(
    store: SqliteStore, path: dict[str, str], privacy: Privacy, kept: dict[str, str]
) -> None:
    async with serving(store, Settings(server=Server(drain_ms=0), privacy=privacy), admin=True) as client:
        for _ in range(2):
            answer = await sent(client, HEADERS | path, context={"page": {"url": "/a"}})
        assert await context(client) == {**kept, "page": {"url": "/a"}}
        assert answer["debugging"]["session"]["saved"] == 0
        await sent(client, {**HEADERS, **path, "user-agent": "Browser/2"})
        assert (await context(client)).get("user_agent") == ("Browser/2" if kept else None)


@pytest.mark.parametrize("options", [{}, {"saveSession": False}])
async def test_conditions_see_the_context_of_the_call_and_its_headers(
    store: SqliteStore, options: dict[str, bool]
) -> None:
    settings = Settings(server=Server(drain_ms=0), privacy=BOTH)
    async with serving(store, settings, rules=RULES, admin=True) as client:
        answer = await sent(client, HEADERS, context={"page": {"url": "/sale"}}, options=options)
        profile = (await client.get(f"/profile/{answer['profile']['id']}")).json()
        assert profile["traits"]["public"] == {"mobile": True}


async def test_without_consent_no_header_is_kept(store: SqliteStore) -> None:
    async with serving(store, Settings(server=Server(drain_ms=0), privacy=BOTH), admin=True) as client:
        await sent(client, HEADERS, source={"id": "wary"})
        assert await context(client) == {}


async def test_a_person_is_found_by_personal_data_until_it_changes_or_is_erased(store: SqliteStore) -> None:
    async def found(pii: str) -> list[str]:
        answer = await client.get("/profiles", params={"pii": pii})
        assert answer.status_code == 200, answer.text
        return [profile["id"] for profile in answer.json()["result"]]

    async with serving(store, Settings(server=Server(drain_ms=0)), admin=True) as client:
        data = {"email": "Ann@Example.com", "phone": 4712345678, "name": "Žofie"}
        answer = await sent(client, {}, events=[{"type": "sign-up", "properties": data}])
        profile_id = answer["profile"]["id"]
        for pii in ("email:ann@example.COM", "phone:4712345678", "name:žOFIE", '"name": Žofie '):
            assert await found(pii) == [profile_id], pii
        assert await found("email:bob@example.com") == await found("name:ann@example.com") == []

        await sent(client, {}, events=[{"type": "profile-update", "properties": {"email": "new@example.com"}}])
        assert await found("email:ann@example.com") == []
        assert await found("email:new@example.com") == await found("name:žofie") == [profile_id]

        assert (await client.delete(f"/profile/{profile_id}")).status_code == 200
        assert await found("email:new@example.com") == []
        for faulty in ("", "email", ":x", '"email:x'):
            assert (await client.get("/profiles", params={"pii": faulty})).status_code == 422, faulty
