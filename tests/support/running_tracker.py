"""A running Tracker whose commits a test steps, and short functions for the contents of answers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from trackd.actors.messages import Reason, Refused
from trackd.actors.tracker import Tracker
from trackd.core.calls import Request
from trackd.core.changes import Change
from trackd.storage.errors import StoreError
from trackd.storage.store import Store
from trackd.storage.writer import BatchResult, Committed, commit


class SteppedWriter:
    """A writer that commits the oldest batch at each `step`."""

    pid = None

    def __init__(self, store: Store, committed: Committed) -> None:
        self.store = store
        self._committed = committed
        self.batches: deque[Sequence[Change]] = deque()
        self.free_running = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, batch: Sequence[Change]) -> None:
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


class RunningTracker(Tracker):
    """A Tracker in the running event loop, from `async with` on. Its writer waits for the test before each commit."""

    def __init__(self, store: Store, **settings: Any) -> None:
        super().__init__(store, make_writer=self._make_stepped_writer, **settings)
        self.store = store

    def _make_stepped_writer(self, store: Store, committed: Committed) -> SteppedWriter:
        self.writer = SteppedWriter(store, committed)
        return self.writer

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.run_free()
        await self.stop(timeout_s=5)

    def ask(self, request: Request[Any], size: int = 0) -> asyncio.Future[Any]:
        return super().ask(request, size)

    async def step(self) -> None:
        """Commit the batch under way, and let the actors handle the result."""
        self.writer.step()
        await self.rest()

    async def fail(self) -> None:
        """Let the batch under way fail, and the actors handle the result."""
        self.writer.fail()
        await self.rest()

    async def commit_all(self) -> None:
        while self.writer.batches:
            await self.step()

    async def answer(self, request: Request[Any]) -> Any:
        """Ask, commit everything, and return the answer."""
        future = self.ask(request)
        await self.commit_all()
        assert future.done()
        return future.result()

    async def rest(self) -> None:
        """Wait until the callbacks that the event loop has now have run."""
        passed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(passed.set_result, None)
        await passed


def seqs(answer: Any) -> list[int]:
    """The numbers of the events in the answer."""
    return [event.seq for event in answer.events]


def reason(answer: Any) -> Reason | None:
    """The reason of a refusal; None for another answer."""
    return answer.reason if isinstance(answer, Refused) else None
