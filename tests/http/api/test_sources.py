"""The endpoints of sources: an answered change is in force."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.http_stores import ReadablePostgresStore
from tests.support.payloads import payload
from tests.support.serving import serving
from trackd.config.settings import Server, Settings
from trackd.core.documents import Source
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store

DEFAULTS = {
    "description": "",
    "enabled": True,
    "consent": False,
    "returns_profile": False,
    "permanent_profile_id": False,
    "origins": [],
    "rate_limit": None,
    "tags": [],
}


def client_of(store: Store) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return serving(store, Settings(server=Server(drain_ms=0)), admin=True)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "postgres":
        return ReadablePostgresStore(request.getfixturevalue("postgres_database"))
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "trackd.db")


async def test_an_added_source_accepts_calls_at_once_and_none_after_its_removal(store: Store) -> None:
    async with client_of(store) as client:
        for number in range(10):
            body = payload(f"s{number}", "t", source=f"shop-{number}")
            assert (await client.post("/track", json=body)).status_code == 401
            added = await client.post("/event-source", json={"id": f"shop-{number}", "name": "Shop"})
            assert added.status_code == 200
            assert (await client.post("/track", json=body)).status_code == 200
            removed = await client.delete(f"/event-source/shop-{number}")
            assert (removed.status_code, removed.json()) == (200, {"id": f"shop-{number}"})
            assert (await client.post("/track", json=body)).status_code == 401


async def test_a_source_has_the_format_of_the_contract(store: Store) -> None:
    async with client_of(store) as client:
        added = (await client.post("/event-source", json={"name": "Shop"})).json()
        times = added["metadata"]["time"]
        assert added == {"id": added["id"], "name": "Shop", **DEFAULTS, "metadata": {"time": times}}
        assert times["insert"] == times["update"]
        assert (await client.get(f"/event-source/{added['id']}")).json() == added


async def test_a_put_replaces_all_fields_but_the_time_of_the_insert(store: Store) -> None:
    async with client_of(store) as client:
        added = (await client.post("/event-source", json={"id": "s", "name": "Shop", "tags": ["x"]})).json()
        change = {**added, "name": "Store", "enabled": False, "rate_limit": 2, "tags": []}

        changed = (await client.put("/event-source/s", json={**change, "origins": ["HTTPS://Ä.example:443/"]})).json()

        assert (changed["name"], changed["enabled"], changed["rate_limit"], changed["tags"]) == ("Store", False, 2, [])
        assert changed["origins"] == ["https://xn--4ca.example"]
        before, after = added["metadata"]["time"], changed["metadata"]["time"]
        assert (after["insert"], after["update"] > before["update"]) == (before["insert"], True)
        answer = await client.post("/track", json=payload("a", "t", source="s"))
        assert (answer.status_code, answer.json()["detail"]) == (401, "Event source disabled.")


async def test_a_put_that_lacks_fields_is_422_with_their_names_and_changes_nothing(store: Store) -> None:
    async with client_of(store) as client:
        source = {**DEFAULTS, "id": "s", "name": "Shop", "origins": ["https://shop.example"]}
        added = (await client.post("/event-source", json=source)).json()

        answer = await client.put("/event-source/s", json={"name": "Shop", "rate_limit": 5})

        assert answer.status_code == 422
        faults = answer.json()["detail"]
        assert [fault["loc"] for fault in faults] == [["body", field] for field in DEFAULTS if field != "rate_limit"]
        assert "PATCH changes only" in faults[0]["msg"]
        for field in ("name", *DEFAULTS):
            lacking = {key: value for key, value in added.items() if key != field}
            answer = await client.put("/event-source/s", json=lacking)
            assert [fault["loc"] for fault in answer.json()["detail"]] == [["body", field]]
        assert (await client.get("/event-source/s")).json() == added


async def test_a_patch_changes_the_fields_that_it_names_and_no_others(store: Store) -> None:
    changes: list[dict[str, Any]] = [
        {"name": "Store"},
        {"rate_limit": 5},
        {"rate_limit": None, "tags": ["a", "b"]},
        {"enabled": False, "consent": True, "returns_profile": True, "permanent_profile_id": True},
        {"id": "s", "metadata": {"time": {}}, "description": "", "tags": []},
        {"origins": []},
    ]
    async with client_of(store) as client:
        source = {"id": "s", "name": "Shop", "description": "d", "origins": ["https://shop.example"], "tags": ["x"]}
        expected = (await client.post("/event-source", json=source)).json()
        for change in changes:
            changed = (await client.patch("/event-source/s", json=change)).json()
            expected |= {key: value for key, value in change.items() if key not in ("id", "metadata")}
            assert changed["metadata"]["time"]["update"] > expected["metadata"]["time"]["update"]
            expected["metadata"]["time"]["update"] = changed["metadata"]["time"]["update"]
            assert changed == expected
        for empty in ({}, {"id": "s"}):
            assert (await client.patch("/event-source/s", json=empty)).json() == expected


@pytest.mark.parametrize("field", [field for field in DEFAULTS if field != "rate_limit"])
async def test_a_field_that_cannot_be_null_is_422_and_nothing_is_changed(field: str) -> None:
    async with client_of(MemoryStore([Source("s", "Shop", origins=("https://shop.example",))])) as client:
        before = (await client.get("/event-source/s")).json()
        answer = await client.patch("/event-source/s", json={"name": "Store", field: None})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])
        assert (await client.get("/event-source/s")).json() == before


async def test_simultaneous_changes_of_one_source_are_all_made(store: Store) -> None:
    changes: list[dict[str, Any]] = [
        {"name": "Store"},
        {"description": "d"},
        {"consent": True},
        {"origins": ["https://shop.example"]},
        {"rate_limit": 500},
        {"tags": ["x"]},
        {"returns_profile": True},
    ]
    async with client_of(store) as client:
        await client.post("/event-source", json={"id": "s", "name": "Shop"})
        await asyncio.gather(*(client.patch("/event-source/s", json=change) for change in changes))
        changed = (await client.get("/event-source/s")).json()
        assert {**changed, **{key: value for change in changes for key, value in change.items()}} == changed


async def test_of_simultaneous_sources_with_one_id_the_first_is_added_and_one_removal_finds_it(store: Store) -> None:
    async with client_of(store) as client:
        added = await asyncio.gather(
            *(client.post("/event-source", json={"id": "s", "name": f"Shop {number}"}) for number in range(5))
        )
        assert sorted(answer.status_code for answer in added) == [200, 409, 409, 409, 409]
        first = next(answer.json() for answer in added if answer.status_code == 200)
        assert (await client.get("/event-source/s")).json() == first
        removed = await asyncio.gather(*(client.delete("/event-source/s") for _ in range(3)))
        assert sorted(answer.status_code for answer in removed) == [200, 404, 404]


async def test_an_id_in_use_is_409_and_changes_nothing(store: Store) -> None:
    async with client_of(store) as client:
        first = (await client.post("/event-source", json={"id": "s", "name": "Shop"})).json()
        second = await client.post("/event-source", json={"id": "s", "name": "Other"})
        assert second.status_code == 409
        assert "PATCH /event-source/s" in second.json()["detail"]
        assert (await client.get("/event-source/s")).json() == first


async def test_a_source_that_does_not_exist_cannot_be_changed_or_removed(store: Store) -> None:
    async with client_of(store) as client:
        for answer in (
            await client.get("/event-source/s"),
            await client.put("/event-source/s", json={"name": "Shop", **DEFAULTS}),
            await client.patch("/event-source/s", json={"name": "Shop"}),
            await client.delete("/event-source/s"),
        ):
            assert (answer.status_code, answer.text) == (404, "null")
        assert (await client.get("/event-sources")).json() == {"total": 0, "result": [], "next": None}


@pytest.mark.parametrize("path", ["/event-sources", "/event-source"])
async def test_sources_are_listed_in_pages_the_newest_first(store: Store, path: str) -> None:
    async with client_of(store) as client:
        for number in range(5):
            await client.post("/event-source", json={"id": f"s{number}", "name": "Shop"})
        found: list[str] = []
        cursor: str | None = "0"
        for _ in range(3):
            page = (await client.get(path, params={"limit": 2, "cursor": cursor})).json()
            assert page["total"] == 5
            found += [source["id"] for source in page["result"]]
            cursor = page["next"]
        assert cursor is None
        assert found == ["s4", "s3", "s2", "s1", "s0"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "name"]),
        ({"name": ""}, ["body", "name"]),
        ({"name": "a", "nmae": "b"}, ["body", "nmae"]),
        ({"name": "a", "id": " "}, ["body", "id"]),
        ({"name": "a", "id": "a\nb"}, ["body", "id"]),
        ({"name": "a", "id": "x" * 256}, ["body", "id"]),
        ({"name": "a", "enabled": "yes"}, ["body", "enabled"]),
        ({"name": "a", "rate_limit": 0}, ["body", "rate_limit"]),
        ({"name": "a", "rate_limit": True}, ["body", "rate_limit"]),
        ({"name": "a", "origins": ["shop.example"]}, ["body", "origins"]),
        ({"name": "a", "origins": ["https://shop.example?x"]}, ["body", "origins"]),
        ({"name": "a", "tags": [1]}, ["body", "tags", 0]),
        ([], ["body"]),
    ],
)
async def test_422_names_the_fault(body: Any, loc: list[str | int]) -> None:
    async with client_of(MemoryStore([Source("s", "test")])) as client:
        answer = await client.post("/event-source", json=body)
        assert (answer.status_code, [fault["loc"] for fault in answer.json()["detail"]]) == (422, [loc])
        complete = {**DEFAULTS, **body} if isinstance(body, dict) else body
        answer = await client.put("/event-source/s", json=complete)
        assert (answer.status_code, [fault["loc"] for fault in answer.json()["detail"]]) == (422, [loc])
        if body:
            answer = await client.patch("/event-source/s", json=body)
            assert (answer.status_code, [fault["loc"] for fault in answer.json()["detail"]]) == (422, [loc])


async def test_the_id_of_a_source_cannot_be_changed() -> None:
    async with client_of(MemoryStore([Source("s", "test")])) as client:
        answer = await client.put("/event-source/s", json={"id": "t", "name": "Shop", **DEFAULTS})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "id"])
        answer = await client.patch("/event-source/s", json={"id": "t"})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "id"])


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"x", {"content-type": "text/html"}, 415),
        (b"{", {"content-type": "application/json"}, 422),
        (b"[" * 100, {"content-type": "application/json"}, 413),
        (b" " * 70_000, {"content-type": "application/json"}, 413),
        (b"x", {"content-type": "application/json", "content-encoding": "br"}, 415),
    ],
)
async def test_a_body_of_the_wrong_form_is_refused(content: bytes, headers: dict[str, str], status: int) -> None:
    async with client_of(MemoryStore()) as client:
        answer = await client.post("/event-source", content=content, headers=headers)
        assert answer.status_code == status, answer.text


async def test_503_when_the_disk_refuses_and_the_source_is_unchanged() -> None:
    store = FaultyStore([Source("s", "test")], fail={"commit": StoreError("the disk is full")})

    async with client_of(store) as client:
        for answer in (
            await client.post("/event-source", json={"name": "Shop"}),
            await client.delete("/event-source/s"),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert [source["id"] for source in (await client.get("/event-sources")).json()["result"]] == ["s"]


async def test_a_source_added_by_the_command_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    with Sources(path) as sources:
        sources.add(Source("s", "by hand"))

    async with client_of(store) as client:
        assert (await client.get("/event-source/s")).json()["name"] == "by hand"
