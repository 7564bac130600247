"""A node on a PostgreSQL database beside one on a file, and two nodes on the same processors beside one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.builds import HERE, Build
from tests.bench.contest import Contestant, Progress, against, compete_anew, contestant_name, result
from tests.bench.figures import Result, Target, ratio
from tests.bench.plan import Plan
from tests.bench.postgres import Postgres, postgres
from tests.bench.servers import Server, database_node, peer, trackd

FILE, ONE, TWO, ROWLOCK = "a file", "1 node", "2 nodes", "rowlock"


def nodes(plan: Plan, folder: Path, progress: Progress) -> list[Result]:
    """The same load for all; of two nodes each has half of the connections, and its own half of the sessions."""
    notes: list[str] = []

    def opened(own: Path, stack: contextlib.ExitStack) -> list[Contestant]:
        servers: dict[str, Server] = {}
        cluster = stack.enter_context(postgres(own))
        if cluster.pids and not notes:
            notes.append("The CPU of nodes and of rowlock is with that of their PostgreSQL server.")
        for number, build in enumerate(plan.builds):
            file, one, two = (contestant_name(plan, build, what) for what in (FILE, ONE, TWO))
            servers[file] = stack.enter_context(trackd(own / f"trackd-{number}.db", build))
            for count, name in ((1, one), (2, two)):
                servers[name] = stack.enter_context(_nodes(cluster, f"trackd_{number}_{count}", count, build, own))
        url = cluster.database("rowlock")
        servers[ROWLOCK] = stack.enter_context(peer("rowlock", own, helpers=cluster.pids, DATABASE_URL=url))
        return [Contestant(name, server, plan.load()) for name, server in servers.items()]

    rounds = compete_anew(opened, plan.rounds, folder, progress)
    file, one, two = (contestant_name(plan, HERE, what) for what in (FILE, ONE, TWO))
    targets = [
        Target(f"{one}, of {file}", ratio(rounds[one], rounds[file]), 0.3),
        Target(f"{one}, times rowlock", ratio(rounds[one], rounds[ROWLOCK]), 2.5),
        Target(f"{two}, times {one}", ratio(rounds[two], rounds[one]), 1.2),
    ]
    for what in (FILE, ONE, TWO):
        targets += against(plan, rounds, what)
    question = (
        f"PostgreSQL with fsync and synchronous_commit, {plan.profiles:,} profiles, 3 events a call, a session's calls "
        "go to one node; the same processors for all"
    )
    return [result("nodes", question, rounds, file, targets, notes)]


@contextlib.contextmanager
def _nodes(cluster: Postgres, database: str, count: int, build: Build, folder: Path) -> Iterator[Server]:
    """Nodes on a database of their own."""
    url = cluster.database(database)
    with contextlib.ExitStack() as opened:
        started = [
            opened.enter_context(database_node(url, folder / f"{database}-{number}", build)) for number in range(count)
        ]
        roots = [pid for node in started for pid in node.roots]
        yield Server(started[0].url, [*roots, *cluster.pids], [node.url for node in started[1:]])
