"""`python -m tests.node_rounds [ROUNDS] [SECONDS]`: two nodes on one PostgreSQL under load, and what may befall them.

In turn a node is killed, the database, both, and a node is stopped within a transaction, for SECONDS (10), while the
other one takes over its profiles. After each round every answered event of it must be stored once, with the number that
was answered.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.support.nodes import Nodes, nodes_on
from tests.support.payloads import SOURCE_ID
from tests.support.postgres import Cluster, running_cluster, with_database
from tests.support.process import Process
from trackd.load.history import History
from trackd.load.measures import Interval, Measures
from trackd.load.read_back import read_back
from trackd.load.run import Plan, run
from trackd.load.target import Target
from trackd.load.verdict import Verdict, judge
from trackd.load.workload import Mix
from trackd.storage.postgres.connection import Connection

KINDS = ("node", "database", "both", "pause")
CLIENTS = 16
MAX_STOPS = 100  # of a node, until one is within a transaction
IDLE_S = 0.05
OPEN_TRANSACTIONS = f"""
SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'
AND state_change < clock_timestamp() - interval '{IDLE_S} s'
"""
AFTERWARDS_S = 2.0  # of load, when all run again


class Round:
    """One round: the display of a load test, which begins the fault with the first answers."""

    def __init__(self, nodes: Nodes, cluster: Cluster, kind: str, pause_s: float) -> None:
        self._nodes = nodes
        self._cluster = cluster
        self._kind = kind
        self._pause_s = pause_s
        self._fault: asyncio.Task[None] | None = None

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
        stored = await read_back(first, self._nodes.token, result.history, lambda done: None)
        return result.history, judge(result.history, stored)

    async def _break(self) -> None:
        try:
            match self._kind:
                case "pause":
                    await self._pause(self._nodes.running[0])
                case "node":
                    await self._restart(1)
                case "database":
                    await self._restart_database()
                case "both":
                    await asyncio.gather(self._restart(1), self._restart_database())
            await asyncio.sleep(AFTERWARDS_S)
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # ends the load, not this process

    async def _pause(self, node: Process) -> None:
        """Stop a node within a transaction, and let it go on."""
        pids = [node.process.pid, *_children(node.process.pid)]
        for _ in range(MAX_STOPS):
            _send(pids, signal.SIGSTOP)
            await asyncio.sleep(2 * IDLE_S)
            with contextlib.closing(Connection(self._nodes.url)) as db:
                if db.rows(OPEN_TRANSACTIONS):
                    break
            _send(pids, signal.SIGCONT)
            await asyncio.sleep(IDLE_S)
        await asyncio.sleep(self._pause_s)
        _send(pids, signal.SIGCONT)

    async def _restart(self, number: int) -> None:
        killed = self._nodes.running.pop(number)
        port = int(killed.url.rpartition(":")[2])
        killed.process.kill()
        await asyncio.to_thread(killed.process.communicate)
        while len(self._nodes.running) == number:
            with contextlib.suppress(RuntimeError):  # the database may be away
                await asyncio.to_thread(self._nodes.start, port)

    async def _restart_database(self) -> None:
        await asyncio.to_thread(self._cluster.kill)
        await asyncio.to_thread(self._cluster.start)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def pair_of_nodes(folder: Path) -> Iterator[tuple[Nodes, Cluster]]:
    with running_cluster() as cluster, nodes_on(with_database(cluster.url, "trackd"), folder) as nodes:
        nodes.start()
        nodes.start()
        yield nodes, cluster


def main(rounds: int, pause_s: float) -> None:
    with tempfile.TemporaryDirectory() as folder, pair_of_nodes(Path(folder)) as (nodes, cluster):
        for number in range(rounds):
            kind = KINDS[number % len(KINDS)]
            history, verdict = asyncio.run(Round(nodes, cluster, kind, pause_s).run(number))
            statuses = dict(Counter(history.status))
            print(f"round {number + 1}, {kind}: {verdict.violations} violations, attempts: {statuses}", flush=True)
            if verdict.shortest is not None:
                print(verdict.shortest.sentence)
                raise SystemExit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, float(sys.argv[2]) if len(sys.argv) > 2 else 10.0)
