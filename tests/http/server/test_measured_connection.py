"""The bytes that a connection holds for its client, as the inbound budget counts them."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from tests.http.server.track_requests import call, deaf_client, new_store, post, received, running
from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import eventually
from tests.support.raw_http import connected
from tests.support.serving import ADMIN_SECRET, serving
from trackd.core.documents import Source
from trackd.http.server.flow_control import MAX_UNREAD_BYTES
from trackd.http.server.inbound_budget import FREE_BYTES, Holder, InboundBudget
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

GET = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[Holder, int]:
    """What each connection of the test's server holds."""
    found: dict[Holder, int] = {}
    hold = InboundBudget.hold

    def noted(self: InboundBudget, holder: Holder, size: int) -> None:
        found[holder] = size
        hold(self, holder, size)

    monkeypatch.setattr(InboundBudget, "hold", noted)
    return found


async def test_a_complete_request_holds_nothing_and_an_incomplete_one_its_bytes(held: dict[Holder, int]) -> None:
    body = call() + b" " * 5_000
    async with running() as url, connected(url) as connection:
        assert (await connection.ask(post(call()))).status == 200
        assert held == {}
        await connection.send(post(body)[:-1])
        await eventually(lambda: len(body) < sum(held.values()) < len(body) + 2_000)
        assert (await connection.ask(b" ")).status == 200
        assert list(held.values()) == [0]


async def test_each_header_of_an_incomplete_head_counts_more_than_its_bytes(held: dict[Holder, int]) -> None:
    async with running() as url, connected(url) as connection:
        await connection.send(b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 200)
        await eventually(lambda: sum(held.values()) > 200 * 200)


async def test_requests_that_wait_for_their_turn_count_until_they_are_answered(held: dict[Holder, int]) -> None:
    store = new_store()
    async with running(store) as url, connected(url) as connection:
        store.hold()
        connection.writer.write(post(call()) + GET * 1_000)
        await eventually(lambda: sum(held.values()) > len(GET) * 900)
        store.release()
        for _ in range(1_001):
            await connection.answer()
        assert sum(held.values()) == 0


async def test_a_connection_that_is_closed_holds_nothing(held: dict[Holder, int]) -> None:
    async with running() as url:
        for sent in (b"GET / HTTP/1.1\r\n", post(call())[:-1]):
            async with connected(url) as connection:
                await connection.send(sent)
                await eventually(lambda: sum(held.values()))
            await eventually(lambda: not sum(held.values()))


async def test_answers_that_are_not_read_count(held: dict[Holder, int]) -> None:
    async with running() as url, deaf_client(url) as client:
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)  # less than the bound
        await eventually(lambda: sum(held.values()) > MAX_UNREAD_BYTES)


async def test_a_connection_whose_unread_answers_are_over_the_limit_is_closed(held: dict[Holder, int]) -> None:
    async with running(max_arriving_bytes=1_024) as url, deaf_client(url) as client, connected(url) as other:
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        await eventually(lambda: sum(held.values()) > FREE_BYTES + 1_024)
        await received(client)
        assert (await other.ask(post(call()))).status == 200


async def test_the_connection_that_holds_most_is_refused_and_small_calls_in_two_packets_are_not() -> None:
    sizes = (60_000, 140_000, 100_000, 90_000)  # together over the limit, and not without the second one
    async with running(max_arriving_bytes=250_000) as url, contextlib.AsyncExitStack() as opened:
        large = [await opened.enter_async_context(connected(url)) for _ in sizes]
        for connection, size in zip(large, sizes, strict=True):
            await connection.send(post(call() + b" " * size)[:-1])
        assert (await large[1].answer()).status == 503
        for _ in range(10):
            async with connected(url) as bystander:
                await bystander.send(post(call())[:100])
                assert (await bystander.ask(post(call())[100:])).status == 200
        del large[1]
        assert [(await connection.ask(b" ")).status for connection in large] == [200] * 3


async def test_a_page_that_is_not_read_counts_until_it_is_read(tmp_path: Path, held: dict[Holder, int]) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    event = {"type": "t", "properties": {"p": "x" * 1_000_000}}
    get = f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_SECRET}\r\n\r\n".encode()
    async with serving(SqliteStore(path), admin=True) as client, deaf_client(str(client.base_url)) as deaf:
        for _ in range(8):
            answer = await client.post("/track", json={**payload("s"), "events": [event]})
            assert answer.status_code == 200
        deaf.sendall(get)
        await eventually(lambda: sum(held.values()) > 1_000_000, "the answer is counted")

        received = bytearray()
        while not received.endswith(b'"next":null}'):
            received += await asyncio.get_running_loop().sock_recv(deaf, 1_000_000)
        await eventually(lambda: not sum(held.values()), "nothing is held")
        assert len(json.loads(received.partition(b"\r\n\r\n")[2])["result"]) == 8
