"""Two nodes on one PostgreSQL database, under load: no promise is broken, and their feeds have one order."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.nodes import Nodes, nodes_on
from tests.support.payloads import SOURCE_ID, bearer
from tests.support.postgres import emptied
from trackd.load.history import OK
from trackd.load.run import Plan, Result, run
from trackd.load.target import Target
from trackd.load.workload import Mix
from trackd.storage.postgres.connection import Connection

MIX = Mix(clients=16, profiles=50, sessions_per_profile=3, hot=50, retries=5, first_calls=5, seed=7)
CALLS = 300


class Silent:
    """Shows nothing."""

    def interval(self, *_: Any) -> None: ...

    @contextlib.contextmanager
    def reading(self, profiles: int) -> Iterator[Callable[[int], None]]:
        yield lambda done: None


@pytest.fixture
def nodes(postgres_database: str, tmp_path: Path) -> Iterator[Nodes]:
    emptied(postgres_database)
    with nodes_on(postgres_database, tmp_path) as nodes:
        yield nodes


async def load(nodes: Nodes, calls: int = CALLS, **more: Any) -> Result:
    """The result of a load test against all nodes."""
    first, *others = (Target.at(node.url) for node in nodes.running)
    plan = Plan(first, SOURCE_ID, MIX, 3, calls, token=nodes.token, others=tuple(others), **more)
    return await run(plan, Silent())


async def feed(url: str, token: str, records: int) -> list[tuple[str, str, int]]:
    """The id, the profile and the `seq` of so many events, as they are committed."""
    found: list[tuple[str, str, int]] = []
    parameters = {"after": "0", "limit": str(records), "wait": "60"}
    async with (
        httpx.AsyncClient(base_url=url, headers=bearer(token), timeout=90) as client,
        client.stream("GET", "/feed", params=parameters) as lines,
    ):
        async for line in lines.aiter_lines():
            event = json.loads(line)
            found.append((event["id"], event["profile"]["id"], event["seq"]))
    return found


async def test_under_load_no_promise_is_broken_and_all_feeds_have_one_order(nodes: Nodes) -> None:
    pair = [nodes.start(), nodes.start()]
    events = 3 * (CALLS + len(pair))  # those of the probes too
    feeds = [asyncio.create_task(feed(node.url, nodes.token, events)) for node in pair]

    result = await load(nodes)

    assert result.verdict.counts == {}
    assert result.verdict.read_back
    assert {*result.measures.statuses} == {OK}, "no call is refused"
    first, second = await asyncio.gather(*feeds)
    assert first == second
    last: dict[str, int] = {}
    for _, profile_id, seq in first:
        assert seq == last.get(profile_id, 0) + 1
        last[profile_id] = seq
    with contextlib.closing(Connection(nodes.url)) as db:
        assert db.rows("SELECT count(*) FROM event") == [(events,)]


async def test_a_feed_shows_what_another_node_has_committed(nodes: Nodes) -> None:
    first, second = nodes.start(), nodes.start()
    following = asyncio.create_task(feed(second.url, nodes.token, 1))
    event = {"type": "page-view", "id": "e"}
    async with httpx.AsyncClient(timeout=30) as client:
        while (await client.get(f"{second.url}/metrics", headers=bearer(nodes.token))).text.find(
            "trackd_feed_subscribers 1"
        ) < 0:
            await asyncio.sleep(0.01)
        await client.post(
            f"{first.url}/track", json={"source": {"id": SOURCE_ID}, "session": {"id": "s"}, "events": [event]}
        )
    [(event_id, _, seq)] = await asyncio.wait_for(following, 30)
    assert (event_id, seq) == ("e", 1)
