"""What may befall nodes on one PostgreSQL, by its kind. See node_rounds.py."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tests.support.cut_connection import CuttingProxy, cutting_proxy
from tests.support.nodes import Nodes, nodes_on
from tests.support.polling import eventually
from tests.support.postgres import Cluster, running_cluster, with_database
from tests.support.process import Process
from tests.support.standby import Servers, primary_and_standby
from trackd.storage.postgres.connection import Connection

CUTS = 20  # of connections in a round
MAX_STOPS = 100  # of a node, until one is within a transaction
IDLE_S = 0.05
OPEN_TRANSACTIONS = f"""
SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'
AND state_change < clock_timestamp() - interval '{IDLE_S} s'
"""

Break = Callable[[], Awaitable[None]]


class Place(NamedTuple):
    """Two nodes, and the faults that may befall them here, by their kinds."""

    nodes: Nodes
    faults: Mapping[str, Break]


@contextlib.contextmanager
def on_one_server(folder: Path, pause_s: float) -> Iterator[Place]:
    with running_cluster() as cluster, _pair(with_database(cluster.url, "trackd"), folder) as nodes:
        faults = {
            "node": lambda: _restart(nodes, 1),
            "database": lambda: _restart_database(cluster),
            "both": lambda: _restart_both(nodes, cluster),
            "pause": lambda: _pause(nodes, pause_s),
        }
        yield Place(nodes, faults)


@contextlib.contextmanager
def behind_proxy(folder: Path, pause_s: float) -> Iterator[Place]:
    with (
        running_cluster() as cluster,
        cutting_proxy(with_database(cluster.url, "trackd")) as proxy,
        _pair(proxy.url, folder) as nodes,
    ):
        faults = {
            "cut-before": lambda: _cut(proxy, "before"),
            "cut-after": lambda: _cut(proxy, "after"),
            "silent": lambda: _silence(proxy),
        }
        yield Place(nodes, faults)


@contextlib.contextmanager
def with_standby(folder: Path, pause_s: float) -> Iterator[Place]:
    with primary_and_standby() as servers, _pair(servers.url, folder) as nodes:
        yield Place(nodes, {"failover": lambda: _fail_over(servers)})


PLACES: Mapping[str, Callable[[Path, float], AbstractContextManager[Place]]] = {
    **dict.fromkeys(("node", "database", "both", "pause"), on_one_server),
    **dict.fromkeys(("cut-before", "cut-after", "silent"), behind_proxy),
    "failover": with_standby,
}
KINDS = tuple(PLACES)


@contextlib.contextmanager
def _pair(url: str, folder: Path) -> Iterator[Nodes]:
    with nodes_on(url, folder) as nodes:
        nodes.start()
        nodes.start()
        yield nodes


async def _restart(nodes: Nodes, number: int) -> None:
    killed = nodes.running.pop(number)
    port = int(killed.url.rpartition(":")[2])
    killed.process.kill()
    await asyncio.to_thread(killed.process.wait)
    while len(nodes.running) == number:
        with contextlib.suppress(RuntimeError):  # the database may be away
            await asyncio.to_thread(nodes.start, port)


async def _restart_database(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.kill)
    await asyncio.to_thread(cluster.start)


async def _restart_both(nodes: Nodes, cluster: Cluster) -> None:
    await asyncio.gather(_restart(nodes, 1), _restart_database(cluster))


async def _pause(nodes: Nodes, pause_s: float) -> None:
    """Stop a node within a transaction, and let it go on."""
    node = nodes.running[0]
    pids = [node.process.pid, *_children(node)]
    for _ in range(MAX_STOPS):
        _send(pids, signal.SIGSTOP)
        await asyncio.sleep(2 * IDLE_S)
        with contextlib.closing(Connection(nodes.url)) as db:
            if db.rows(OPEN_TRANSACTIONS):
                break
        _send(pids, signal.SIGCONT)
        await asyncio.sleep(IDLE_S)
    else:
        raise AssertionError("the node was never stopped within a transaction")
    await asyncio.sleep(pause_s)
    _send(pids, signal.SIGCONT)


async def _cut(proxy: CuttingProxy, where: str) -> None:
    """Cut the connections of one COMMIT after the other."""
    for number in range(proxy.cuts + 1, proxy.cuts + CUTS + 1):
        proxy.cut = where
        await eventually(lambda number=number: proxy.cuts == number, "a COMMIT is cut")  # type: ignore[misc]


async def _silence(proxy: CuttingProxy) -> None:
    """Nothing passes on the connections of both nodes, in the middle of commits too, and none of them ends."""
    proxy.cut = "silent"
    await eventually(lambda: proxy.cut is None, "the answer to a COMMIT is swallowed")
    proxy.silence()


async def _fail_over(servers: Servers) -> None:
    """The standby takes the place of the primary, which becomes its standby."""
    await asyncio.to_thread(servers.fail_over)
    await asyncio.to_thread(servers.add_standby)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _children(node: Process) -> list[int]:
    pid = node.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
