"""The cost of each piece of a call: microseconds of processor time, warm, each piece by itself in this process.

The cost of HTTP and the pipe is the time of a real server under load, less the pieces.
"""

import asyncio
import contextlib
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop
from msgspec import Struct
from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.faults import BenchError
from tests.bench.payloads import SOURCE_ID, body
from tests.bench.plan import Plan
from tests.bench.processes import cpu_s
from tests.bench.servers import trackd
from tests.bench.wrk import Running
from trackd.actors import profile
from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.core.calls import Track, Tracked
from trackd.core.changes import Change, Outcome
from trackd.core.documents import Source
from trackd.http.body import check_nesting
from trackd.http.rules_loading import load_rules
from trackd.http.track.answer import answer_body
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.decoding import decode
from trackd.http.track.payload import PayloadParser
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.framing import decode_batch, encode_batch
from trackd.storage.writer import BatchResult, Committed

PROFILES, CALLS, TOGETHER, PASSES = 1_000, 4_000, 32, 5
RECEIVED = "2026-01-31T12:00:00.000000Z"
SERVER, WRITER = "server", "writer"
DECIDER: Any = profile  # the module whose `decide` the actors call


class Piece(Struct, frozen=True):
    """`part`: it is in the piece above it, and not added to the sum."""

    process: str
    name: str
    cpu_us: float
    part: bool = False


class _Recorder:
    """Commits nothing, reports every change as stored, and keeps the batches."""

    pid = None

    def __init__(self, committed: Committed) -> None:
        self._committed = committed
        self.batches: list[Sequence[Change]] = []

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, batch: Sequence[Change]) -> None:
        self.batches.append(batch)
        self._loop.call_soon(self._committed, BatchResult([Outcome.STORED] * len(batch)))

    async def close(self, timeout_s: float) -> bool:
        return True


def pieces(plan: Plan, data: Path, console: Console) -> None:
    """Prints a table, and one in Markdown into the folder for results."""
    with tempfile.TemporaryDirectory(prefix="trackd-bench-", dir=data) as folder:
        db = Path(folder) / "pieces.db"
        with Sources(db, create=True) as sources:
            sources.add(Source(SOURCE_ID, "bench"))
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # as in the server
        found = uvloop.run(in_process(db))
        try:
            found = _with_the_rest(found, _under_load(plan, Path(folder)))
        except BenchError as error:
            console.print(f"The rest of the way is not measured. {error}", highlight=False, markup=False)
    table = Table("process", "piece", "CPU µs per call", box=box.SIMPLE)
    rows = [(each.process, each.name, f"{each.cpu_us:.1f}") for each in found]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    lines = ["| process | piece | CPU µs per call |", "|---|---|---:|", *(f"| {' | '.join(row)} |" for row in rows)]
    (plan.out / "pieces.md").write_text("\n".join(lines) + "\n")


async def in_process(db: Path, number: int = CALLS) -> list[Piece]:
    """`number` of calls, a multiple of TOGETHER. The file has the source."""
    settings = Settings()
    rules = load_rules("", settings.limits)
    store = SqliteStore(db)
    recorders: list[_Recorder] = []

    def recorder(_: object, committed: Committed) -> _Recorder:
        recorders.append(_Recorder(committed))
        return recorders[-1]

    tracker = Tracker(store, settings.actors, settings.limits, rules, make_writer=recorder)
    await tracker.start()
    batches = recorders[0].batches
    bodies = [body().replace("SESSION", f"s-{each % PROFILES}").encode() for each in range(number)]
    parser = PayloadParser(settings.limits.max_events, BlockedIds(settings.limits.blocked_ids))

    def to_call(payload: bytes) -> Track:
        check_nesting(payload, settings.limits.max_nesting)
        return decode(parser.parse(payload), number=tracker.next_number(), received=RECEIVED, ip="127.0.0.1")

    async def answers() -> tuple[list[Any], float]:
        calls, answered = [to_call(payload) for payload in bodies], []
        began = time.process_time()
        for first in range(0, number, TOGETHER):
            answered += await asyncio.gather(*(tracker.ask(call, 1_000) for call in calls[first : first + TOGETHER]))
        return answered, time.process_time() - began

    await answers()
    for batch in _joined(batches):  # the file has the profiles and sessions from now on
        store.commit(batch)
    batches.clear()
    decisions: list[tuple[Any, ...]] = []
    with _recorded(decisions):
        tracked, _ = await answers()
    assert all(isinstance(answer, Tracked) for answer in tracked)
    actors = min([(await answers())[1] for _ in range(PASSES)]) * 1e6 / number
    whole = _joined(batches)
    payloads = [encode_batch(batch)[0] for batch in whole]
    decoded = [decode_batch(payload) for payload in payloads]
    began = time.process_time()
    outcomes = {outcome for batch in decoded for outcome in store.commit(batch)}
    commit = (time.process_time() - began) * 1e6 / sum(map(len, decoded))
    assert outcomes == {Outcome.STORED}
    await tracker.stop()
    store.close()
    return [
        Piece(SERVER, "bytes to call: nesting, parse, decode", _best(to_call, bodies)),
        Piece(SERVER, "actors", actors),
        Piece(
            SERVER,
            "of these: what the events do (decide)",
            _best(lambda known: DECIDER.decide(*known), decisions),
            part=True,
        ),
        Piece(SERVER, "answer to bytes", _best(answer_body, tracked)),
        Piece(SERVER, "batch to bytes", _best(encode_batch, whole) / TOGETHER),
        Piece(WRITER, "bytes to batch", _best(decode_batch, payloads) / TOGETHER),
        Piece(WRITER, f"commit of {TOGETHER} calls", commit),
    ]


@contextlib.contextmanager
def _recorded(decisions: list[tuple[Any, ...]]) -> Iterator[None]:
    """Keeps the input of each decision, so that it can be repeated."""
    decide = DECIDER.decide

    def recording(*known: Any) -> Any:
        decisions.append(known)
        return decide(*known)

    DECIDER.decide = recording
    try:
        yield
    finally:
        DECIDER.decide = decide


def _joined(batches: Sequence[Sequence[Change]]) -> list[list[Change]]:
    """All calls that were sent together as one batch; the first of them had a batch of its own."""
    changes = [change for batch in batches for change in batch]
    return [changes[first : first + TOGETHER] for first in range(0, len(changes), TOGETHER)]


def _best(action: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Microseconds for one item, in the best of some passes."""
    took = []
    for _ in range(PASSES):
        began = time.process_time()
        for item in items:
            action(item)
        took.append(time.process_time() - began)
    return min(took) * 1e6 / len(items)


def _under_load(plan: Plan, folder: Path) -> dict[str, float]:
    """Microseconds of processor time for one call, for each process of a real server."""
    with trackd(folder / "trackd.db") as server:
        with Running(server, plan.load(), seed=0) as warm:
            warm.result()
        before = {name: cpu_s([pid]) for name, pid in server.pids.items()}
        with Running(server, plan.load(), seed=1) as running:
            calls = running.result().calls
        used = {name: cpu_s([pid]) - before[name] for name, pid in server.pids.items()}
    used[SERVER] -= used[WRITER]  # its child
    return {name: seconds * 1e6 / calls for name, seconds in used.items()}


def _with_the_rest(found: Sequence[Piece], used: dict[str, float]) -> list[Piece]:
    completed = []
    for process, rest in (
        (SERVER, "the rest: HTTP, event loop, pipe"),
        (WRITER, "the rest: pipe, and batches of other sizes"),
    ):
        own = [piece for piece in found if piece.process == process]
        pieces_us = sum(piece.cpu_us for piece in own if not piece.part)
        completed += [
            *own,
            Piece(process, rest, used[process] - pieces_us),
            Piece(process, "in all, under load", used[process]),
        ]
    return completed
