"""Sets of hostile clients against a server with its default settings: they take little memory, and refuse nobody.

`python -m tests.hostile` plays them for longer, and measures how long an ordinary client waits.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import pytest

import tests.hostile.costly
import tests.hostile.storms  # noqa: F401  they register their kinds
from tests.faults.real_server import RealServer
from tests.hostile.bystander import observe
from tests.hostile.clients import KINDS, RULES, Target, attack

Start = Callable[..., RealServer]
BYTES_PER_S = 1_900_000
MAX_GROWTH_KB = 300_000
SECONDS = 5


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
async def test_a_set_of_hostile_clients_takes_little_memory_and_refuses_nobody(start: Start, name: str) -> None:
    server = start(TRACKD_RULES_PATH=str(RULES))
    await asyncio.to_thread(observe, server.address, 0.5)
    before = most = server.memory_kb()
    attacking = asyncio.create_task(attack(Target(server.address, BYTES_PER_S), [KINDS[name]]))
    outcomes = Counter[str]()
    for _ in range(SECONDS):
        outcomes.update((await asyncio.to_thread(observe, server.address, 1.0)).outcomes)
        most = max(most, server.memory_kb())
    attacking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attacking
    assert most - before < MAX_GROWTH_KB
    assert outcomes.keys() == {"200"}
    assert "Traceback" not in server.log()
