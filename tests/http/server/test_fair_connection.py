"""Connections whose bytes wait for a turn: their requests are answered all the same, and those bytes are counted."""

import asyncio
import contextlib

import pytest

from tests.http.server.track_requests import call, chunked, post, running
from tests.support.polling import eventually
from tests.support.raw_http import connected, statuses
from trackd.http.server.fair_connection import FairConnection
from trackd.http.server.inbound_budget import Holder, InboundBudget
from trackd.http.server.read_turns import ReadTurns

HEALTH = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = post(call() + b" " * 300_000)


@pytest.fixture
def always_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is free to handle at once what has arrived, until the server stops."""
    monkeypatch.setattr(ReadTurns, "is_free", lambda turns: turns._has_ended)


@pytest.mark.usefixtures("always_late")
@pytest.mark.parametrize("requests", [[post(call())], [HEALTH], [post(call()), HEALTH, chunked(call())], [LARGE] * 2])
async def test_late_requests_are_answered(requests: list[bytes]) -> None:
    async with running() as url:
        for pieces in ([b"".join(requests)], [piece for each in requests for piece in (each[:50], each[50:])]):
            async with connected(url) as connection:
                await connection.send(*pieces)
                connection.half_close()
                assert statuses(await connection.rest()) == [200] * len(requests)


@pytest.mark.usefixtures("always_late")
async def test_bytes_that_wait_for_their_turn_are_counted_until_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    hold = InboundBudget.hold

    def noted(self: InboundBudget, holder: Holder, size: int) -> None:
        held.append(size)
        hold(self, holder, size)

    monkeypatch.setattr(InboundBudget, "hold", noted)
    async with running() as url, connected(url) as connection:
        assert (await connection.ask(post(call()))).status == 200
        assert held == [len(post(call())), 0]


@pytest.mark.usefixtures("always_late")
async def test_a_client_that_leaves_before_its_turn_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[FairConnection] = []
    add = ReadTurns.add
    monkeypatch.setattr(ReadTurns, "add", lambda turns, reader, host, is_new: waiting.append(reader))
    async with running() as url:
        async with connected(url) as connection:
            await connection.send(HEALTH)
            await eventually(lambda: len(waiting) == 1)
        waiting[0].transport.abort()
        await asyncio.sleep(0)
        waiting[0].handle_late()
        monkeypatch.setattr(ReadTurns, "add", add)
        async with connected(url) as connection:
            assert (await connection.ask(HEALTH)).status == 200


@pytest.mark.usefixtures("always_late")
async def test_a_stop_answers_what_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadTurns, "_schedule", lambda turns: None)  # no turn comes before the stop
    waiting: list[FairConnection] = []
    add = ReadTurns.add

    def noted(turns: ReadTurns, reader: FairConnection, host: str, *, is_new: bool) -> None:
        waiting.append(reader)
        add(turns, reader, host, is_new=is_new)

    monkeypatch.setattr(ReadTurns, "add", noted)
    async with contextlib.AsyncExitStack() as opened:
        async with running() as url:
            connections = [await opened.enter_async_context(connected(url)) for _ in range(40)]
            for connection in connections:
                await connection.send(post(call()))
            await eventually(lambda: len(waiting) == len(connections))
        for connection in connections:
            assert statuses(await connection.rest()) == [200]
