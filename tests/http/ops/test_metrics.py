"""GET /metrics over a real socket: the samples after calls of every kind."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.faulty_store import FaultyStore
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.polling import eventually, wait_until
from tests.support.process import Process
from tests.support.serving import serving
from trackd.config.settings import Actors, Limits, Settings
from trackd.core.documents import Source
from trackd.core.rules.compiling import compile_rules
from trackd.http.errors import CALL_STATUSES
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore


class Page:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Metric] = {family.name: family for family in text_string_to_metric_families(text)}

    def __getitem__(self, name: str) -> float:
        """The value of the sample without labels."""
        return self.by_labels(name)[()]

    def by_labels(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of this name: the values of their labels, in the order of the labels' names, and their values."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name
        }

    def nonzero(self, name: str) -> dict[tuple[str, ...], float]:
        return {labels: value for labels, value in self.by_labels(name).items() if value}


async def scrape(client: httpx.AsyncClient) -> Page:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert float(answer.headers["x-process-time"]) > 0
    return Page(answer.text)


def memory() -> MemoryStore:
    return MemoryStore([Source(SOURCE_ID, "test"), Source("off", "off", enabled=False)])


async def statuses(client: httpx.AsyncClient, *calls: dict[str, Any]) -> list[int]:
    return [(await client.post("/track", **call)).status_code for call in calls]


async def test_a_page_after_a_few_calls_has_the_numbers_of_them() -> None:
    stored = payload("s", "page-view", "page-view")
    own = payload("s", events=[{"type": "page-view", "id": "e-1"}])

    async with serving(memory(), admin=True) as client:
        calls: list[dict[str, Any]] = [
            {"json": stored},
            {"json": own},
            {"json": own},
            {"json": payload("s", events=[{"type": "page-view", "options": {"saveEvent": False}}])},
            {"json": payload("s", "page-view", source="nobody")},
            {"json": payload("s", "page-view", source="off")},
            {"content": b"{not json", "headers": {"content-type": "application/json"}},
            {"json": {}, "headers": {"content-encoding": "br"}},
        ]
        assert await statuses(client, *calls) == [200, 200, 200, 200, 401, 401, 422, 415]
        page = await scrape(client)
        assert page.nonzero("trackd_calls_total") == {
            (SOURCE_ID, "200"): 4,
            ("off", "401"): 1,
            ("", "401"): 1,
            ("", "415"): 1,
            ("", "422"): 1,
        }
        assert page.by_labels("trackd_events_total") == {
            ("stored", SOURCE_ID): 3,
            ("duplicate", SOURCE_ID): 1,
            ("not_kept", SOURCE_ID): 1,
        }
        assert page["trackd_call_duration_seconds_count"] == len(calls)
        assert 0 < page["trackd_call_duration_seconds_sum"] < 30
        assert page["trackd_batch_calls_sum"] == 4
        assert page["trackd_batch_calls_count"] == page["trackd_commit_duration_seconds_count"] == 4
        assert page["trackd_commit_failures_total"] == 0
        assert (page["trackd_queued_calls"], page["trackd_queued_bytes"], page["trackd_ready"]) == (0, 0, 1)


async def test_invalid_and_unwanted_events_are_counted_separately() -> None:
    content = {
        "event": {"order": {"schema": {"type": "object", "required": ["total"]}}},
        "unwanted": [{"name": "scrolling", "types": ["scroll"]}],
    }
    rules = compile_rules(content, Limits())

    async with serving(memory(), rules=rules, admin=True) as client:
        assert await statuses(client, {"json": payload("s", "order", "scroll", "page-view")}) == [200]
        outcomes = {
            outcome: value for (outcome, _), value in (await scrape(client)).nonzero("trackd_events_total").items()
        }
        assert outcomes == {"invalid": 1, "unwanted": 1, "stored": 1}


async def test_concurrent_calls_are_all_counted_and_buckets_are_cumulative() -> None:
    async with serving(memory(), admin=True) as client:
        calls = [client.post("/track", json=payload(f"s-{n % 7}", "page-view")) for n in range(50)]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
        page = await scrape(client)
        assert page.nonzero("trackd_calls_total") == {(SOURCE_ID, "200"): 50}
        assert page["trackd_batch_calls_sum"] == page["trackd_call_duration_seconds_count"] == 50
        for name in ("trackd_call_duration_seconds", "trackd_batch_calls", "trackd_commit_duration_seconds"):
            numbers = list(page.by_labels(f"{name}_bucket").values())
            assert numbers == sorted(numbers)
            assert numbers[-1] == page[f"{name}_count"] > 0


async def test_a_full_disk_is_counted_as_failed_commits_and_503() -> None:
    store = FaultyStore([Source(SOURCE_ID, "test")], fail={"commit": StoreError("the disk is full")})

    async with serving(store, admin=True) as client:
        assert await statuses(client, {"json": payload("s", "page-view")}) == [503]
        page = await scrape(client)
        store.fail.clear()
        assert page["trackd_commit_failures_total"] > 0
        assert page.nonzero("trackd_calls_total") == {(SOURCE_ID, "503"): 1}
        assert page.by_labels("trackd_events_total") == {}
        assert page["trackd_ready"] == 0


async def test_an_actor_that_raises_is_counted_as_a_fault_and_500() -> None:
    store = FaultyStore([Source(SOURCE_ID, "test")], fail={"session": ZeroDivisionError("a fault of trackd")})

    async with serving(store, admin=True) as client:
        before = await scrape(client)
        assert set(before.by_labels("trackd_actor_faults_total").values()) == {0}
        assert await statuses(client, {"json": payload("s", "page-view")}) == [500]
        page = await scrape(client)
        assert page.nonzero("trackd_actor_faults_total") == {("ProfileDirectory",): 1}
        assert page.nonzero("trackd_calls_total") == {(SOURCE_ID, "500"): 1}


async def test_a_call_that_waits_is_in_the_queue_and_not_yet_counted() -> None:
    store = FaultyStore([Source(SOURCE_ID, "test")], hold=True)

    async with serving(store, admin=True) as client:
        call = client.build_request("POST", "/track", json=payload("s", "page-view"))
        head = b"".join(b"%s: %s\r\n" % header for header in call.headers.raw)
        size = len(b"POST /track HTTP/1.1\r\n" + head + b"\r\n" + call.content)
        sending = asyncio.create_task(client.send(call))
        await eventually(store.committing.is_set)
        page = await scrape(client)
        store.release()
        assert (await sending).status_code == 200
        assert (page["trackd_queued_calls"], page["trackd_queued_bytes"]) == (1, size)
        assert page["trackd_call_duration_seconds_count"] == 0


async def test_a_queued_call_of_many_small_events_counts_for_what_they_take() -> None:
    store = FaultyStore([Source(SOURCE_ID, "test")], hold=True)

    async with serving(store, admin=True) as client:
        sending = asyncio.create_task(client.post("/track", json=payload("s", *["a"] * 300)))
        await eventually(store.committing.is_set)
        page = await scrape(client)
        store.release()
        assert (await sending).status_code == 200
        assert (page["trackd_queued_calls"], page["trackd_queued_bytes"]) == (1, 300 * 200)


async def test_limited_calls_are_counted_by_their_limit_and_with_their_source() -> None:
    store = MemoryStore([Source(SOURCE_ID, "test"), Source("slow", "slow", rate_limit=0.001)])
    flood = [payload("s") for _ in range(30)]

    async with serving(
        store, Settings(limits=Limits(client_calls_per_s=1, client_events_per_s=1)), admin=True
    ) as client:

        async def answers(address: str, *calls: dict[str, Any]) -> list[int]:
            return await statuses(client, *({"json": call, "headers": {"x-forwarded-for": address}} for call in calls))

        limited = (await answers("203.0.113.1", *flood)).count(429)
        assert limited > 0
        assert await answers("203.0.113.2", payload("s", *["t"] * 20), payload("s", "t")) == [200, 429]
        assert await answers("203.0.113.3", *[payload("s", source="slow")] * 3) == [200, 429, 429]
        assert await answers("203.0.113.4", payload("s", source="nobody")) == [401]
        page = await scrape(client)
        assert page.by_labels("trackd_limited_calls_total") == {
            ("client_calls",): limited,
            ("client_events",): 1,
            ("source",): 2,
        }
        assert page.nonzero("trackd_calls_total") == {
            (SOURCE_ID, "200"): 31 - limited,
            (SOURCE_ID, "429"): limited + 1,
            ("slow", "200"): 1,
            ("slow", "429"): 2,
            ("", "401"): 1,
        }


async def test_every_status_of_track_has_a_sample_from_the_start() -> None:
    async with serving(memory(), admin=True) as client:
        calls = (await scrape(client)).by_labels("trackd_calls_total")
        assert calls == {("", str(status)): 0 for status in CALL_STATUSES}


async def test_a_source_with_an_odd_name_is_a_label_that_can_be_read() -> None:
    odd = 'a "shop"\\\n{x="y"} Žofie'
    store = MemoryStore([Source(odd, "odd")])

    async with serving(store, admin=True) as client:
        assert await statuses(client, {"json": payload("s", "page-view", source=odd)}) == [200]
        assert (await scrape(client)).by_labels("trackd_events_total") == {("stored", odd): 1}


def test_a_server_reports_its_file_its_memory_and_its_versions(serve: Callable[..., Process]) -> None:
    server = serve()
    for n in range(3):
        assert httpx.post(f"{server.url}/track", json=payload(f"s-{n}", "page-view"), timeout=30).status_code == 200

    def page_after_the_next_tick() -> Page | None:
        """The gauges of the actors are updated at each tick."""
        page = Page(httpx.get(f"{server.url}/metrics", headers=bearer(server.token), timeout=30).text)
        return page if page["trackd_active_profiles"] == 3 else None

    page = wait_until(page_after_the_next_tick)
    assert page is not None

    assert page["trackd_cached_sessions"] == 3
    sizes = page.by_labels("trackd_store_bytes")
    assert sizes.keys() == {("database",), ("wal",)}
    assert sizes["database",] == server.db.stat().st_size > 0
    [(labels, value)] = page.by_labels("trackd_build_info").items()
    assert (len(labels), value) == (4, 1)
    assert {actor for (actor,) in page.nonzero("trackd_actor_messages_total")} >= {"SourceAuth", "ProfileActor"}


async def test_the_id_of_a_source_is_one_label_whatever_it_contains() -> None:
    """Another tool may have written it: trackd itself refuses control characters."""
    hostile = 'a"b\\c\\n\n# HELP x\ny{z="1"} 5 \x1b\u202e'
    async with serving(MemoryStore([Source(hostile, "test")]), admin=True) as client:
        assert await statuses(client, {"json": payload("s", "t", source=hostile)}) == [200]
        page = await scrape(client)
    assert page.nonzero("trackd_events_total") == {("stored", hostile): 1}
    assert "y" not in page.families


async def test_the_documents_in_memory_stay_below_their_limit_and_no_session_loses_any() -> None:
    settings = Settings(actors=Actors(max_document_bytes=200_000))
    store = memory()
    async with serving(store, settings, admin=True) as client:
        contexts = [{"json": payload(f"s-{n}", "t", context={"text": "x" * 50_000})} for n in range(10)]
        assert await statuses(client, *contexts) == [200] * 10
        more = [{"json": payload(f"s-{n}", "t", context={"more": n})} for n in range(10)]
        assert await statuses(client, *more) == [200] * 10

        async def reported() -> Page | None:  # at the next tick
            page = await scrape(client)
            return page if page["trackd_document_bytes"] else None

        page = await eventually(reported)

    assert 0 < page["trackd_document_bytes"] <= page["trackd_document_bytes_limit"] == 200_000
    assert [len(store.sessions[f"s-{n}"].context["text"]) for n in range(10)] == [50_000] * 10
    assert [store.sessions[f"s-{n}"].context["more"] for n in range(10)] == [*range(10)]
