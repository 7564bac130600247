"""Connections handle what has arrived in their turn: old ones first, new ones too, a few in a round."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from functools import partial

from trackd.http.server.read_turns import MAX_TOGETHER, MIN_SLOW, UNITS, Kind, ReadTurns

CLIENT = "10.0.0.1", 50_000


class Turns(ReadTurns):
    """Turns of connections that are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.handled: list[int] = []

    def add_numbers(self, numbers: Iterable[int], kind: Kind = Kind.OLD) -> None:
        for number in numbers:
            self.add(partial(self.handled.append, number), CLIENT, kind)


async def test_a_few_are_free_in_a_round_and_none_while_others_wait() -> None:
    turns = Turns()
    assert [turns.is_free() for _ in range(MAX_TOGETHER + 1)] == [True] * MAX_TOGETHER + [False]
    turns.add_numbers([1], Kind.NEW)
    await asyncio.sleep(0)
    assert turns.handled == [1]
    assert turns.is_free()
    turns.add_numbers([2], Kind.NEW)
    assert not turns.is_free()


async def test_old_connections_come_first_and_new_ones_are_not_forgotten() -> None:
    turns = Turns()
    new, old = [*range(2 * MAX_TOGETHER)], [*range(100, 100 + 2 * MAX_TOGETHER)]
    turns.add_numbers(new, Kind.NEW)
    turns.add_numbers(old)
    await asyncio.sleep(0)
    assert turns.handled == old[: MAX_TOGETHER // 2] + new[: MAX_TOGETHER // 2]
    while len(turns.handled) < len(new) + len(old):
        await asyncio.sleep(0)
    assert [number for number in turns.handled if number in old] == old
    assert [number for number in turns.handled if number in new] == new


async def test_new_connections_alone_have_all_turns() -> None:
    turns, numbers = Turns(), [*range(MAX_TOGETHER + 1)]
    turns.add_numbers(numbers, Kind.NEW)
    await asyncio.sleep(0)
    assert turns.handled == numbers[:MAX_TOGETHER]
    await asyncio.sleep(0)
    assert turns.handled == numbers


async def test_slow_connections_have_few_turns_beside_others_and_are_not_forgotten() -> None:
    turns = Turns()
    slow, others = [*range(MAX_TOGETHER)], [*range(100, 100 + 2 * MAX_TOGETHER)]
    turns.add_numbers(slow, Kind.SLOW)
    turns.add_numbers(others)
    await asyncio.sleep(0)
    assert turns.handled == others[:MAX_TOGETHER] + slow[:MIN_SLOW]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.handled[-MAX_TOGETHER + 2 * MIN_SLOW :] == slow[2 * MIN_SLOW :]


async def test_clients_take_turns() -> None:
    turns = Turns()
    turns.add_numbers(range(2 * MAX_TOGETHER), Kind.NEW)
    turns.add(partial(turns.handled.append, -1), ("10.0.0.2", 50_000), Kind.NEW)
    await asyncio.sleep(0)
    assert turns.handled[:3] == [0, -1, 1]


async def test_pipelines_wait_for_another_turn_after_each_request_and_a_round_has_a_bounded_number() -> None:
    turns, begun = ReadTurns(), list[int]()

    def begin_next(pipeline: int) -> None:
        begun.append(pipeline)
        if begun.count(pipeline) < 3:
            turns.add(partial(begin_next, pipeline), CLIENT)

    pipelines = [*range(MAX_TOGETHER + 8)]
    for pipeline in pipelines:
        turns.add(partial(begin_next, pipeline), CLIENT)
    rounds: list[int] = []
    while not rounds or rounds[-1] < len(pipelines) * 3:
        await asyncio.sleep(0)
        rounds.append(len(begun))
    assert begun == pipelines * 3
    assert all(later - earlier <= MAX_TOGETHER for earlier, later in itertools.pairwise(rounds))


async def test_a_call_that_takes_much_work_ends_the_round_and_new_connections_are_not_forgotten() -> None:
    turns, handled = ReadTurns(), list[str]()

    def costly(name: str) -> Callable[[], None]:
        def handle() -> None:
            handled.append(name)
            turns.add_work(MAX_TOGETHER * UNITS)

        return handle

    for number in range(3):
        turns.add(costly(f"old {number}"), ("10.0.0.1", 1))
        turns.add(costly(f"new {number}"), ("10.0.0.1", 1), Kind.NEW)
    rounds = []
    while len(handled) < 6:
        await asyncio.sleep(0)
        rounds.append(list(handled))
    assert [len(each) for each in rounds] == [1, 2, 3, 4, 5, 6]
    assert handled == ["old 0", "new 0", "old 1", "new 1", "old 2", "new 2"]
    assert not turns.is_free()
