"""Turns of queries: how many run, how many wait, and in which order."""

import asyncio

import pytest

from trackd.storage.errors import StoreError
from trackd.storage.workers.query_turns import QueryTurns


async def test_queries_past_the_limit_wait_in_their_order() -> None:
    turns = QueryTurns(max_running=2, max_waiting=10)
    begun: list[int] = []

    async def query(number: int) -> None:
        await turns.begin()
        begun.append(number)

    tasks = [asyncio.create_task(query(number)) for number in range(5)]
    await asyncio.wait(tasks[:2])
    assert (begun, turns.running, turns.waiting) == ([0, 1], 2, 3)
    for number in range(2, 5):
        turns.end()
        await tasks[number]
        assert (begun[-1], turns.running, turns.waiting) == (number, 2, 4 - number)


async def test_a_query_is_refused_when_too_many_wait_and_one_that_was_cancelled_waits_no_more() -> None:
    turns = QueryTurns(max_running=1, max_waiting=1)
    await turns.begin()
    waiting = asyncio.create_task(turns.begin())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="1 lists are waiting to be read"):
        await turns.begin()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (turns.running, turns.waiting) == (1, 0)
    turns.end()
    await turns.begin()
    assert (turns.running, turns.waiting) == (1, 0)
