"""What the actor tests share: calls in short words, a writer that commits when told, and the actors on two stages.

`Scene` is a real Tracker in a running event loop. `Troupe` is the actors alone, without a loop: each message runs to
its end before the test goes on, and time passes when the test says so.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

import pytest

from tests.support.making import NOW, Make
from trackd.actors.guardian import Guardian
from trackd.actors.messages import Answer, BatchCommitted, Refused, Tick
from trackd.actors.thespian_adapter import actor_system
from trackd.actors.tracker import Tracker
from trackd.actors.wiring import Dependencies, Wiring
from trackd.config.settings import Limits, Retention
from trackd.core.calls import Track
from trackd.core.changes import Change, Changes
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.errors import StoreError
from trackd.storage.store import Store
from trackd.storage.writer import BatchResult, Committed, commit
from trackd.telemetry.tally import Tally


class SteppedWriter:
    """Commits the oldest batch when it is told to."""

    def __init__(self, store: Store, committed: Committed) -> None:
        self.store = store
        self._committed = committed
        self.batches: deque[Sequence[Change]] = deque()
        self.free_running = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, batch: Sequence[Changes]) -> None:
        self.batches.append(batch)
        if self.free_running:
            self.step()

    def step(self) -> None:
        self.committed(commit(self.store, self.batches.popleft()))

    def fail(self) -> None:
        self.batches.popleft()
        self.committed(BatchResult(error=StoreError("the disk is full")))

    def committed(self, result: BatchResult) -> None:
        self._loop.call_soon(self._committed, result)

    def run_free(self) -> None:
        self.free_running = True
        while self.batches:
            self.step()

    async def close(self, timeout_s: float) -> bool:
        return True


class Scene:
    """A started Tracker with a stepped writer; it is stopped at the end, whatever happens."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.store = store
        self.tracker = Tracker(store, make_writer=self._make_writer, **settings)

    def _make_writer(self, store: Store, committed: Committed) -> SteppedWriter:
        self.writer = SteppedWriter(store, committed)
        return self.writer

    async def __aenter__(self) -> "Scene":
        await self.tracker.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.run_free()
        await self.tracker.stop(timeout_s=5)

    def ask(self, call: Track, size: int = 0) -> "asyncio.Future[Answer]":
        return self.tracker.ask(call, size)

    async def step(self) -> None:
        """The batch under way is committed, and the actors hear of it."""
        self.writer.step()
        await self.rest()

    async def fail(self) -> None:
        """The batch under way fails, and the actors hear of it."""
        self.writer.fail()
        await self.rest()

    async def commit_all(self) -> None:
        while self.writer.batches:
            await self.step()

    async def answer(self, call: Track) -> Answer:
        """Ask, commit what waits, and return the answer."""
        future = self.ask(call)
        await self.commit_all()
        assert future.done()
        return future.result()

    async def rest(self) -> None:
        """Whatever was handed to the loop until now has run."""
        passed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(passed.set_result, None)
        await passed


class Troupe:
    """The actors, with this object outside. `answers` are kept by the number of their call."""

    def __init__(
        self, reads: Any, rules: RuleSet | None = None, retention: Retention | None = None, **bounds: int
    ) -> None:
        self.reads = reads
        self.now = 0.0
        self.time_of_day = datetime.fromisoformat(NOW)
        self.batches: deque[Sequence[Change]] = deque()
        self.answers: dict[int, Answer] = {}
        self.health: list[bool] = []
        self.wiring: Wiring | None = None
        self.takes_batches = True
        self.tally = Tally()
        self._ids = itertools.count(1)
        self._system = actor_system()
        bounds = {"max_active_profiles": 100, "max_cached_sessions": 100, **bounds}
        dependencies = Dependencies(
            reads=reads,
            submit=self._submit,
            frontend=self,
            monotonic=lambda: self.now,
            now=lambda: self.time_of_day,
            new_id=lambda: f"new-{next(self._ids)}",
            limits=Limits(),
            retention=retention or Retention(),
            rules=rules or RuleSet(),
            tally=self.tally,
            **bounds,
        )
        self.tell(self.create(Guardian), dependencies)

    def started(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def answered(self, answer: Answer) -> None:
        assert answer.number not in self.answers, "a call is answered once"
        self.answers[answer.number] = answer

    def store_writable(self, writable: bool) -> None:
        self.health.append(writable)

    def _submit(self, batch: Sequence[Changes]) -> None:
        if not self.takes_batches:
            raise OSError("no such writer")
        self.batches.append(batch)

    def create(self, actor: type) -> Any:
        return self._system.createActor(actor)

    def tell(self, address: Any, message: Any) -> None:
        self._system.tell(address, message)

    def track(self, call: Track) -> int:
        """Put a call in; returns its number."""
        assert self.wiring is not None
        self.tell(self.wiring.source_auth, call)
        return call.number

    def reason(self, number: int) -> Any:
        """Why the call was refused; None when it was not."""
        answer = self.answers.get(number)
        return answer.reason if isinstance(answer, Refused) else None

    def commit(self) -> None:
        self.finish(commit(self.reads, self.batches.popleft()))

    def finish(self, result: BatchResult) -> None:
        """The batch under way ends so."""
        assert self.wiring is not None
        self.tell(self.wiring.event_writer, BatchCommitted(result))

    def fail(self) -> None:
        self.batches.popleft()
        self.finish(BatchResult(error=StoreError("the disk is full")))

    def tick(self) -> None:
        assert self.wiring is not None
        self.tell(self.wiring.guardian, Tick())

    def close(self) -> None:
        self._system.shutdown()


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture(scope="session")
def scene() -> type[Scene]:
    return Scene


@pytest.fixture
def troupe() -> Any:
    """Makes troupes, and ends them with the test."""
    made: list[Troupe] = []

    def assemble(reads: Any, **settings: Any) -> Troupe:
        made.append(Troupe(reads, **settings))
        return made[-1]

    yield assemble
    for one in made:
        one.close()
