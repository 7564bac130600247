"""Connections handle what has arrived in their turn: old ones first, new ones too, a few in a round."""

import asyncio

from trackd.http.server.read_turns import MAX_TOGETHER, MIN_NEW, ReadTurns

HOST = "10.0.0.1"


class Reader:
    def __init__(self, handled: list["Reader"]) -> None:
        self._handled = handled

    def handle_late(self) -> None:
        self._handled.append(self)


async def test_a_few_are_free_in_a_round_and_none_while_others_wait() -> None:
    turns, handled = ReadTurns(), list[Reader]()
    assert [turns.is_free() for _ in range(MAX_TOGETHER + 1)] == [True] * MAX_TOGETHER + [False]
    turns.add(Reader(handled), HOST, is_new=True)
    await asyncio.sleep(0)
    assert len(handled) == 1
    assert turns.is_free()
    turns.add(Reader(handled), HOST, is_new=True)
    assert not turns.is_free()


async def test_old_connections_come_first_and_new_ones_are_not_forgotten() -> None:
    turns, handled = ReadTurns(), list[Reader]()
    new, old = ([Reader(handled) for _ in range(2 * MAX_TOGETHER)] for _ in range(2))
    for reader in new:
        turns.add(reader, HOST, is_new=True)
    for reader in old:
        turns.add(reader, HOST, is_new=False)
    await asyncio.sleep(0)
    first = MAX_TOGETHER - MIN_NEW
    assert handled == old[:first] + new[:MIN_NEW]
    while len(handled) < len(new) + len(old):
        await asyncio.sleep(0)
    assert [reader for reader in handled if reader in old] == old
    assert [reader for reader in handled if reader in new] == new


async def test_new_connections_alone_have_all_turns() -> None:
    turns, handled = ReadTurns(), list[Reader]()
    readers = [Reader(handled) for _ in range(MAX_TOGETHER + 1)]
    for reader in readers:
        turns.add(reader, HOST, is_new=True)
    await asyncio.sleep(0)
    assert handled == readers[:MAX_TOGETHER]
    await asyncio.sleep(0)
    assert handled == readers


async def test_clients_take_turns() -> None:
    turns, handled = ReadTurns(), list[Reader]()
    readers = [Reader(handled) for _ in range(2 * MAX_TOGETHER)]
    for reader in readers:
        turns.add(reader, HOST, is_new=True)
    turns.add(other := Reader(handled), "10.0.0.2", is_new=True)
    await asyncio.sleep(0)
    assert handled[:3] == [readers[0], other, readers[1]]
