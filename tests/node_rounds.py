"""`python -m tests.node_rounds [ROUNDS] [SECONDS] [KIND...]`: two nodes on PostgreSQL under load, with faults.

The kinds (all of them by default, in turn):

- node, database, both: killed and started again
- pause: a node is stopped within a transaction, for SECONDS (10), while the other one takes over its profiles
- cut-before, cut-after: connections are cut, one after the other, before a COMMIT reaches the server or after it
- silent: nothing passes on any connection, though none is closed, after a COMMIT has reached the server
- failover: the primary is killed, and its synchronous standby is promoted

After each round every answered event of it must be stored once, with the number that was answered.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import httpx

from tests.node_faults import KINDS, PLACES, Place
from tests.support.payloads import SOURCE_ID
from tests.support.polling import eventually
from trackd.load.history import OK, History
from trackd.load.measures import Interval, Measures
from trackd.load.read_back import read_back
from trackd.load.run import Plan, run
from trackd.load.target import Target
from trackd.load.verdict import Verdict, judge
from trackd.load.workload import Mix

CLIENTS = 16
AFTERWARDS_S = 2.0  # of load, when all run again


class Round:
    """One round: the display of a load test, which begins the fault with the first answers."""

    def __init__(self, place: Place, kind: str) -> None:
        self._nodes = place.nodes
        self._fault_of = place.faults[kind]
        self._fault: asyncio.Task[None] | None = None
        self._began = 0.0
        self.silence_s = 0.0
        """The longest time without an answer 200, since the fault."""

    def interval(self, interval: Interval, measures: Measures) -> None:
        if self._fault is None and measures.answers > CLIENTS:
            self._fault = asyncio.create_task(self._break())

    @contextlib.contextmanager
    def reading(self, profiles: int) -> Iterator[Callable[[int], None]]:
        yield lambda done: None

    async def run(self, seed: int) -> tuple[History, Verdict]:
        """Load until some seconds after the fault; then everything is read back from the first node."""
        first, *others = (Target.at(node.url) for node in self._nodes.running)
        mix = Mix(CLIENTS, profiles=20, sessions_per_profile=3, hot=20, retries=5, first_calls=5, seed=seed)
        plan = Plan(first, SOURCE_ID, mix, 3, duration_s=3_600, others=tuple(others))
        result = await run(plan, self)
        assert self._fault is not None
        await self._fault  # raises its error
        history = result.history
        self.silence_s = _longest_gap(history, self._began)
        return history, judge(history, await read_back(first, self._nodes.token, history, lambda done: None))

    async def _break(self) -> None:
        try:
            self._began = time.perf_counter()
            await self._fault_of()
            await self._serve_again()
            await asyncio.sleep(AFTERWARDS_S)
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # ends the load, not this process

    async def _serve_again(self) -> None:
        """Return when all nodes are ready."""
        async with httpx.AsyncClient(timeout=30) as client:
            for node in self._nodes.running:

                async def is_ready(url: str = f"{node.url}/ready") -> bool:
                    return (await client.get(url)).status_code == OK

                await eventually(is_ready, "the node is ready", within_s=60)


def _longest_gap(history: History, began: float) -> float:
    answered = sorted(
        at for at, status in zip(history.answered, history.status, strict=True) if status == OK and at > began
    )
    return max((later - earlier for earlier, later in pairwise([began, *answered])), default=0.0)


def main(rounds: int, pause_s: float, kinds: Sequence[str]) -> None:
    """So many rounds of each kind."""
    for make_place in dict.fromkeys(PLACES[kind] for kind in kinds):
        with tempfile.TemporaryDirectory() as folder, make_place(Path(folder), pause_s) as place:
            for number in range(rounds):
                for kind in [kind for kind in kinds if kind in place.faults]:
                    _play(place, kind, number)


def _play(place: Place, kind: str, number: int) -> None:
    played = Round(place, kind)
    history, verdict = asyncio.run(played.run(number))
    print(
        f"round {number + 1}, {kind}: {verdict.violations} violations, {history.status.count(OK)} answers, attempts: "
        f"{dict(Counter(history.status))}, at most {played.silence_s:.1f} s without an answer 200",
        flush=True,
    )
    if verdict.shortest is not None:
        print(verdict.shortest.sentence)
        raise SystemExit(1)


if __name__ == "__main__":
    words = sys.argv[1:]
    numbers = [float(word) for word in words if word.replace(".", "", 1).isdecimal()]
    main(
        int(numbers[0]) if numbers else 5,
        numbers[1] if len(numbers) > 1 else 10.0,
        [word for word in words if word in KINDS] or KINDS,
    )
