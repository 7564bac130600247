"""Concurrent calls of one profile, over real sockets and into a real file."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.database import rows
from tests.support.payloads import payload
from tests.support.process import Process
from tests.support.raw_http import RawConnection, connected, request

Serve = Callable[..., Process]


async def _post(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post("/track", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _client(server: Process, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.slow)])
async def test_simultaneous_first_calls_give_one_profile_each(serve: Serve, rounds: int) -> None:
    server = serve()

    async def first_calls(connections: list[RawConnection], session: str) -> None:
        call = request(json.dumps(payload(session, "page-view")).encode(), "Content-Type: application/json")
        answers = [answer.json() for answer in await asyncio.gather(*(each.ask(call) for each in connections))]
        assert len({answer["profile"]["id"] for answer in answers}) == 1
        assert sorted(answer["debugging"]["events"]["seq"][0] for answer in answers) == list(range(1, 21))
        assert sum(answer["debugging"]["session"]["saved"] for answer in answers) == 1

    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(server.url)) for _ in range(20)]
        for number in range(rounds):
            await first_calls(connections, f"s-{number}")
    assert rows(server.db, "SELECT count(*) AS n FROM session") == [{"n": rounds}]
    assert rows(server.db, "SELECT count(*) AS n FROM profile") == [{"n": rounds}]
    counts = rows(server.db, "SELECT min(seq) a, max(seq) b, count(DISTINCT seq) c FROM event GROUP BY profile_id")
    assert counts == [{"a": 1, "b": 20, "c": 20}] * rounds


async def test_8_simultaneous_new_sessions_of_a_known_profile_are_8_visits(serve: Serve) -> None:
    server = serve()

    async with _client(server, 8) as client:
        profile_id = (await _post(client, payload("first", "page-view")))["profile"]["id"]
        calls = [payload(f"s-{number}", "page-view", profile=profile_id) for number in range(8)]
        answers = await asyncio.gather(*(_post(client, call) for call in calls))
        assert {answer["profile"]["id"] for answer in answers} == {profile_id}
        profile_id = str(profile_id)
    [profile] = rows(server.db, "SELECT doc FROM profile WHERE id = ?", profile_id)
    document = json.loads(profile["doc"])
    assert document["metadata"]["time"]["visit"]["count"] == document["stats"]["visits"] == 1 + 8


async def test_many_profiles_through_few_actors_lose_nothing(serve: Serve) -> None:
    server = serve(TRACKD_ACTORS_MAX_ACTIVE_PROFILES="5", TRACKD_ACTORS_MAX_CACHED_SESSIONS="5")

    async with _client(server, 32) as client:
        for _ in range(2):
            calls = [payload(f"s-{number}", "a", "b") for number in range(100)]
            await asyncio.gather(*(_post(client, call) for call in calls))
    assert rows(server.db, "SELECT count(*) AS n, min(seq) AS seq FROM profile") == [{"n": 100, "seq": 4}]
    counts = rows(server.db, "SELECT max(seq) a, count(DISTINCT seq) b FROM event GROUP BY profile_id")
    assert counts == [{"a": 4, "b": 4}] * 100


async def test_a_caller_that_disconnects_changes_nothing_for_others(serve: Serve) -> None:
    server = serve()

    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps(payload("s", "page-view")).encode()
    head = f"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    request = head + body
    for length in (1, len(head) - 1, len(head), len(head) + 10, len(request) - 1, len(request)):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(request[:length])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    async with _client(server, 1) as client:
        answer = await _post(client, payload("s", "page-view"))
    assert answer["debugging"]["events"]["seq"] in ([1], [2])  # the call that was sent whole may be stored
    assert server.stop() == 0
    [count] = rows(server.db, "SELECT count(*) AS n, max(seq) AS seq FROM event")
    assert count["n"] == count["seq"]
