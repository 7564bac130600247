"""GET /segments, and segments by their names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.core.person import rules
from tests.support.making import Make
from tests.support.serving import serving
from trackd.config.settings import Server, Settings
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.sqlite.store import SqliteStore

RULES = rules(
    segment=[
        {"name": "Big spender", "when": "profile.traits.private.revenue >= 100.0", "event": ["purchase", "refund"]},
        {"name": "Müßig", "when": "session.id != ''"},
        {"name": "Empty", "when": "false"},
    ]
)


@asynccontextmanager
async def client_of(path: Path, ruleset: RuleSet = RULES) -> AsyncIterator[httpx.AsyncClient]:
    store = SqliteStore(path, synchronous="OFF")
    members = [["big-spender"], ["big-spender", "müßig"], [], ["old"]]
    traits: dict[str, Any] = {"public": {"segments": []}, "private": {}}
    store.commit([Make.change(f"p{n}", segments=each, traits=traits) for n, each in enumerate(members)])
    async with serving(store, Settings(server=Server(drain_ms=0)), rules=ruleset, admin=True) as client:
        yield client


async def found(client: httpx.AsyncClient, segment: str) -> list[str]:
    answer = await client.get("/profiles", params={"segment": segment})
    assert answer.status_code == 200, answer.text
    return sorted(profile["id"] for profile in answer.json()["result"])


async def test_segments_are_listed_with_their_conditions_and_members(tmp_path: Path) -> None:
    async with client_of(tmp_path / "trackd.db") as client:
        answer = (await client.get("/segments")).json()
    spender: dict[str, Any] = {
        "id": "big-spender",
        "name": "Big spender",
        "when": "profile.traits.private.revenue >= 100.0",
        "event": ["purchase", "refund"],
        "reads_profile_only": True,
        "members": 2,
    }
    assert answer["result"][0] == spender
    assert (answer["total"], answer["next"]) == (4, None)
    shown = [(each["id"], each["name"], each["reads_profile_only"], each["members"]) for each in answer["result"][1:]]
    assert shown == [("müßig", "Müßig", False, 1), ("empty", "Empty", True, 0), ("old", None, False, 1)]
    assert [each["when"] for each in answer["result"][1:]] == ["session.id != ''", "false", None]


async def test_profiles_are_found_by_the_id_and_by_the_name_of_a_segment(tmp_path: Path) -> None:
    async with client_of(tmp_path / "trackd.db") as client:
        for name in ("big-spender", "Big spender", "big spender", "BIG SPENDER"):
            assert await found(client, name) == ["p0", "p1"]
        for name in ("müßig", "Müßig"):
            assert await found(client, name) == ["p1"]
        assert await found(client, "Empty") == []
        assert await found(client, "old") == ["p3"]  # left of older rules


@pytest.mark.parametrize("name", ["Big spenders", "bigspender", "p0", "%", "'", "-", "nobody"])
async def test_an_unknown_segment_is_404_with_the_names_of_all(tmp_path: Path, name: str) -> None:
    async with client_of(tmp_path / "trackd.db") as client:
        answer = await client.get("/profiles", params={"segment": name})
    assert answer.status_code == 404
    assert answer.json() == {
        "detail": f"There is no segment `{name}`: the segments are big-spender, müßig, empty, old."
    }


async def test_rules_without_segments_are_named_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "trackd.db", synchronous="OFF")
    async with serving(store, Settings(server=Server(drain_ms=0)), rules=rules(), admin=True) as client:
        answer = await client.get("/profiles", params={"segment": "x"})
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no segment `x`: these rules have none.")
        assert (await client.get("/segments")).json() == {"total": 0, "result": [], "next": None}
        assert (await client.get("/segments", params={"limit": 1})).status_code == 422
