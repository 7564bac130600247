"""Connections whose bytes wait for a turn: their requests are answered all the same, and those bytes are counted."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.http.server.track_requests import call, chunked, note_calls, post, running
from tests.support.polling import eventually
from tests.support.raw_http import connected, statuses
from trackd.http.clients import Peer
from trackd.http.server import inbound_budget
from trackd.http.server.connection import Connection
from trackd.http.server.fair_connection import FEW_PIECES
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.inbound_budget import OVERHEAD_BYTES, Holder, InboundBudget
from trackd.http.server.read_turns import Kind, ReadTurns

HEALTH = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = post(call() + b" " * 300_000)
MEDIUM = post(call() + b" " * 5_000)


@pytest.fixture
def always_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is free to handle at once what has arrived, until the server stops."""
    monkeypatch.setattr(ReadTurns, "is_free", lambda turns: turns._has_ended)


def noted_turns(monkeypatch: pytest.MonkeyPatch) -> list[ReadTurns]:
    """A list to which the turns are added once a connection waits for its own."""
    seen = list[ReadTurns]()
    add = ReadTurns.add

    def noted(turns: ReadTurns, handle: Callable[[], None], client: Peer | None, kind: Kind = Kind.OLD) -> None:
        seen.append(turns)
        add(turns, handle, client, kind)

    monkeypatch.setattr(ReadTurns, "add", noted)
    return seen


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
        assert (await connection.ask(MEDIUM)).status == 200
        assert held == [len(MEDIUM), 0]


@pytest.mark.usefixtures("always_late")
async def test_usual_calls_that_come_together_do_not_refuse_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound_budget, "MIN_SMALL_LIMIT", 2 * OVERHEAD_BYTES)
    monkeypatch.setattr(ReadTurns, "_schedule", lambda turns: None)
    turns = noted_turns(monkeypatch)
    async with contextlib.AsyncExitStack() as opened, running(max_arriving_bytes=1_024) as url:
        connections = [await opened.enter_async_context(connected(url)) for _ in range(5)]
        for connection in connections:
            await connection.send(post(call()))
        await eventually(lambda: turns and len(turns[0]._waiting[Kind.NEW]) == len(connections))
        turns[0]._begin()
        assert [(await connection.answer()).status for connection in connections] == [200] * len(connections)


@pytest.mark.usefixtures("always_late")
@pytest.mark.parametrize(("size", "many"), [(10, Kind.SLOW), (1_200, Kind.OLD)])
async def test_a_request_in_many_small_pieces_is_slow_until_the_next_one(
    size: int, many: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = list[Kind]()
    add = ReadTurns.add

    def noted(turns: ReadTurns, handle: Callable[[], None], client: Peer | None, kind: Kind = Kind.OLD) -> None:
        def handle_and_note() -> None:
            handle()
            kinds.append(kind)

        add(turns, handle_and_note, client, kind)

    def are_handled(number: int) -> bool:
        return len(kinds) == number

    monkeypatch.setattr(ReadTurns, "add", noted)
    request = post(call() + b" " * 6 * size)
    pieces = [request[begin : begin + size] for begin in range(0, len(request), size)]
    async with running() as url, connected(url) as connection:
        for number, piece in enumerate(pieces, 1):
            await connection.send(piece)
            await eventually(partial(are_handled, number))
        assert (await connection.answer()).status == 200  # else the next one waits for a turn of another kind
        assert (await connection.ask(post(call()))).status == 200
    assert kinds == [Kind.NEW] + [Kind.OLD] * FEW_PIECES + [many] * (len(pieces) - 1 - FEW_PIECES) + [Kind.OLD]


@pytest.mark.parametrize("sent", [(), (post(call()),), (post(call()), post(call())[:40]), (post(call())[:-3],)])
async def test_no_limit_of_time_holds_while_bytes_wait_for_their_turn(
    sent: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sent`: what comes before them."""
    answers = sum(piece == post(call()) for piece in sent)
    rest = post(call()).removeprefix(sent[answers]) if sent[answers:] else post(call())
    waiting = list[Any]()
    handled = note_calls(monkeypatch, "_update_budget")
    async with running() as url, connected(url) as connection:
        await connection.send(*sent)
        for _ in range(answers):
            assert (await connection.answer()).status == 200
        await eventually(lambda: len(handled) >= len(sent))
        monkeypatch.setattr(ReadTurns, "is_free", lambda turns: False)
        monkeypatch.setattr(ReadTurns, "add", lambda turns, handle, client, kind: waiting.append(handle.__self__))
        await connection.send(rest)
        await eventually(lambda: waiting)
        now = asyncio.get_running_loop().time()
        waiting[0].check_timeouts(now + 1_000)
        assert (waiting[0].waiting_since or 0) >= now  # it is closed last to make room
        assert waiting[0].is_idle
        waiting[0].handle_late()
        assert (await connection.answer()).status == 200


async def test_a_connection_that_fails_in_its_turn_is_closed_and_the_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive = TrackConnection.data_received

    def fail_on_bad(self: TrackConnection, data: bytes) -> None:
        if data.startswith(b"bad"):
            raise RuntimeError
        receive(self, data)

    monkeypatch.setattr(TrackConnection, "data_received", fail_on_bad)
    monkeypatch.setattr(ReadTurns, "is_free", lambda turns: turns._has_ended)
    monkeypatch.setattr(ReadTurns, "_schedule", lambda turns: None)
    turns = noted_turns(monkeypatch)
    async with running() as url, connected(url) as bad, connected(url) as good:
        await bad.send(b"bad")
        await eventually(lambda: turns and len(turns[0]._waiting[Kind.NEW]) == 1)
        await good.send(post(call()))
        await eventually(lambda: len(turns[0]._waiting[Kind.NEW]) == 2)
        turns[0]._begin()
        assert (await good.answer()).status == 200
        assert await bad.rest() == b""


async def test_a_pipeline_that_fails_in_its_turn_is_closed_and_the_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = Connection.begin_next
    async with running() as url, connected(url) as bad, connected(url) as good:

        def fail_on_bad(self: Connection) -> None:
            if self.client == bad.writer.get_extra_info("sockname"):
                raise RuntimeError
            begin(self)

        monkeypatch.setattr(Connection, "begin_next", fail_on_bad)
        await bad.send(chunked(call()) * 3)
        await good.send(chunked(call()) * 3)
        assert [(await good.answer()).status for _ in range(3)] == [200] * 3
        assert len(statuses(await bad.rest())) <= 1


@pytest.mark.usefixtures("always_late")
async def test_a_client_that_leaves_before_its_turn_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[Any] = []
    add = ReadTurns.add
    monkeypatch.setattr(ReadTurns, "add", lambda turns, handle, client, kind: waiting.append(handle))
    async with running() as url:
        async with connected(url) as connection:
            await connection.send(HEALTH)
            await eventually(lambda: len(waiting) == 1)
        waiting[0].__self__.transport.abort()
        await asyncio.sleep(0)
        waiting[0]()
        monkeypatch.setattr(ReadTurns, "add", add)
        async with connected(url) as connection:
            assert (await connection.ask(HEALTH)).status == 200


@pytest.mark.usefixtures("always_late")
async def test_a_stop_answers_what_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadTurns, "_schedule", lambda turns: None)  # no turn comes before the stop
    waiting: list[Callable[[], None]] = []
    add = ReadTurns.add

    def noted(turns: ReadTurns, handle: Callable[[], None], client: Peer | None, kind: Kind) -> None:
        waiting.append(handle)
        add(turns, handle, client, kind)

    monkeypatch.setattr(ReadTurns, "add", noted)
    async with contextlib.AsyncExitStack() as opened:
        async with running() as url:
            connections = [await opened.enter_async_context(connected(url)) for _ in range(40)]
            for connection in connections:
                await connection.send(post(call()))
            await eventually(lambda: len(waiting) == len(connections))
        for connection in connections:
            assert statuses(await connection.rest()) == [200]
