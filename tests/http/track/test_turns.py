"""Turns of large calls: none is lost, they keep their order, and small calls pass between them."""

import asyncio
import gzip

import pytest

from tests.http.server.track_requests import call, new_store, post, running, status_and_session
from tests.support.raw_http import connect, connected
from trackd.http.errors import HttpError
from trackd.http.track import turns
from trackd.http.track.turns import Turn, Turns

LARGE = 30


async def test_a_turn_is_free_until_large_calls_have_taken_their_time() -> None:
    each = Turns()
    each.spend(turns.BUSY_S / 2)
    assert each.is_free()
    each.spend(turns.BUSY_S / 2)
    assert not each.is_free()
    await asyncio.wait_for(each.take(), 5)  # after the pause


@pytest.mark.parametrize("seconds", [0.0, turns.BUSY_S / 3, turns.BUSY_S])
async def test_all_that_wait_have_their_turns_one_at_a_time_in_their_order(seconds: float) -> None:
    each, order, running_now = Turns(), list[int](), 0
    each.spend(turns.BUSY_S)

    async def work(number: int) -> None:
        nonlocal running_now
        await each.take()
        running_now += 1
        assert running_now == 1
        order.append(number)
        running_now -= 1
        each.spend(seconds)

    await asyncio.wait_for(asyncio.gather(*map(work, range(8))), 5)
    assert order == list(range(8))


async def test_a_call_that_is_given_up_passes_its_turn_on() -> None:
    each = Turns()
    each.spend(turns.BUSY_S)
    waiting = [asyncio.create_task(each.take()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait_for(waiting[1], 5)
    waiting[2].cancel()
    each.spend(0.0)
    await asyncio.wait_for(waiting[3], 5)


async def test_a_call_is_refused_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MAX_WAITING", 1)
    each = Turns()
    each.spend(turns.BUSY_S)
    first = asyncio.create_task(each.take())
    await asyncio.sleep(0)
    with pytest.raises(HttpError) as raised:
        async with Turn(each, is_large=True):
            pass
    assert (raised.value.status_code, raised.value.kind) == (503, "too many large calls")
    async with Turn(each, is_large=False):
        pass
    await asyncio.wait_for(first, 5)


@pytest.mark.parametrize("compressed", [True, False])
async def test_small_calls_pass_between_large_ones_that_arrived_before(
    compressed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BUSY_S", 1e-9)  # one at a time
    body = call("large", *["t"] * 500)
    request = post(gzip.compress(body), "Content-Encoding: gzip") if compressed else post(body)
    async with running(new_store()) as url, connected(url) as small:
        large = [await connect(url) for _ in range(LARGE)]
        for connection in large:
            connection.writer.write(request)
        answers = [asyncio.create_task(connection.answer()) for connection in large]
        assert status_and_session(await small.ask(post(call("small")))) == (200, "small")
        assert sum(answer.done() for answer in answers) < LARGE / 2
        assert [(await answer).status for answer in answers] == [200] * LARGE
        for connection in large:
            await connection.close()
