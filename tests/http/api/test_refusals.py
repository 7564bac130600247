"""GET /refusals over a real socket, from a real file."""

from typing import Any

import httpx

from tests.support.http_stores import Database
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.polling import eventually
from tests.support.serving import serving_file
from trackd.core.documents import TokenScope
from trackd.storage.postgres.tokens import PostgresTokens
from trackd.storage.sqlite.tokens import Tokens


async def refusals(client: httpx.AsyncClient, number: int, **query: Any) -> list[dict[str, Any]]:
    """The refusals in the first page, when there are so many."""

    async def found() -> list[dict[str, Any]] | None:
        answer = await client.get("/refusals", params=query)
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["result"]
        return result if len(result) >= number else None

    return await eventually(found)


async def test_refusals_are_listed_with_filters_in_pages(db: Database) -> None:
    async with serving_file(db) as client:
        await client.post("/track", json=payload("S", "t", source="nope", profile="P"))
        await client.post("/track", json=payload("T", "t") | {"events": [{}]})
        both = await refusals(client, 2)

        assert [each["reason"] for each in both] == ["invalid", "unknown_source"]
        assert both[1] == {
            "number": 1,
            "time": both[1]["time"],
            "status": 401,
            "reason": "unknown_source",
            "source": {"id": "nope"},
            "profile": {"id": "P"},
            "session": {"id": "S"},
            "event": {"id": None, "type": "t"},
            "network": "127.0.0.0/24",
            "faults": [{"loc": [], "msg": "Invalid event source `nope`.", "type": "unknown_source"}],
            "body": both[1]["body"],
            "left_out": 0,
        }
        for query in ({"session": "T"}, {"status": 422}, {"reason": "invalid"}, {"source": SOURCE_ID}):
            assert await refusals(client, 1, **query) == both[:1]
        for query in ({"profile": "P"}, {"before": both[0]["time"]}, {"type": "t"}):
            assert await refusals(client, 1, **query) == both[1:]
        first = (await client.get("/refusals", params={"limit": 1})).json()
        second = (await client.get("/refusals", params={"limit": 1, "cursor": first["next"]})).json()
        assert (first["result"] + second["result"], second["next"]) == (both, None)
        for query in ({"status": "x"}, {"after": "soon"}, {"unknown": "1"}, {"cursor": "a"}):
            assert (await client.get("/refusals", params=query)).status_code == 422


async def test_refusals_need_a_token_that_may_read(db: Database) -> None:
    with PostgresTokens(db) if isinstance(db, str) else Tokens(db) as tokens:
        may, may_not = (tokens.add(scope, [TokenScope(scope)]) for scope in ("read", "metrics"))
    async with serving_file(db, admin=False) as client:
        codes = [(await client.get("/refusals", headers=bearer(each))).status_code for each in (may, may_not, "a")]

    assert codes == [200, 403, 401]


async def test_an_erasure_clears_those_that_are_stored_and_those_that_wait(db: Database) -> None:
    async with serving_file(db) as client:
        profile = (await client.post("/track", json=payload("S", "t"))).json()["profile"]["id"]
        await client.post("/track", json=payload("other", "t"))
        await client.post("/track", json=payload("S", "t") | {"events": [{"a": "mine"}]})
        await client.post("/track", json=payload("other", "t") | {"events": [{"a": "theirs"}]})
        await refusals(client, 2)
        await client.post("/track", json=payload("x", "t", profile=profile) | {"events": [{"a": "mine"}]})
        assert (await client.delete(f"/profile/{profile}")).status_code == 200
        found = await refusals(client, 3)

        assert [each["session"] for each in found] == [None, {"id": "other"}, None]
        assert "mine" not in str(found)
        assert profile not in str(found)
        assert "theirs" in str(found)
