import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tests.storage.conftest import Make
from trackd.core.changes import Changes, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.workers.writer_thread import WriterThread
from trackd.storage.writer import BatchResult


class RefusingStore(MemoryStore):
    """Raises what it is given, once for each; remembers the threads that committed."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.threads = set()

    def commit(self, batch: list[Changes]) -> list[Outcome] | None:
        self.threads.add(threading.current_thread())
        if self.errors:
            raise self.errors.pop(0)
        return super().commit(batch)


class HangingStore(MemoryStore):
    """A disk that does not come back until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def commit(self, batch: list[Changes]) -> list[Outcome]:
        self.begun.set()
        self.go_on.wait(10)
        return super().commit(batch)


class Results(asyncio.Queue):
    """Takes results as a writer hands them back; `threads` are those it was called in."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = set()

    def __call__(self, result: BatchResult) -> None:
        self.threads.add(threading.current_thread())
        self.put_nowait(result)

    async def next(self) -> BatchResult:
        return await asyncio.wait_for(self.get(), 10)


async def with_writer(store: HangingStore | MemoryStore | RefusingStore, story: Callable[..., Any]) -> Any:
    """Run the story with a started writer and its results, then close the writer."""

    results = Results()
    writer = WriterThread(store, results)
    await writer.start()
    told = await story(writer, results)
    assert await writer.close(10)
    return told


async def test_the_result_of_a_batch_is_handed_back(make: type[Make]) -> None:
    async def story(writer: WriterThread, results: Results) -> BatchResult:
        writer.submit([make.change("A"), make.change("A", (5, 5))])
        return await results.next()

    result = await with_writer(MemoryStore(), story)

    assert (result.outcomes, result.error) == ([Outcome.STORED, Outcome.STALE], None)


async def test_batches_are_committed_in_order_in_another_thread_and_handed_back_on_the_loops(make: type[Make]) -> None:
    store = RefusingStore()

    async def story(writer: WriterThread, results: Results) -> tuple[list[list[Outcome]], set[Any]]:
        for n in range(20):
            writer.submit([make.change("A", (n, n), events=1)])
        return [(await results.next()).outcomes for _ in range(20)], results.threads

    outcomes, handed_back_in = await with_writer(store, story)

    assert outcomes == [[Outcome.STORED]] * 20
    assert store.profile("A").seq == 20
    assert handed_back_in == {threading.current_thread()}
    assert threading.current_thread() not in store.threads


async def test_closing_waits_for_what_was_submitted(make: type[Make]) -> None:
    store = MemoryStore()

    async def story(writer: WriterThread, results: Results) -> list[list[Outcome]]:
        for n in range(50):
            writer.submit([make.change("A", (n, n), events=1)])
        assert await writer.close(10)
        return [(await results.next()).outcomes for _ in range(50)]

    assert await with_writer(store, story) == [[Outcome.STORED]] * 50
    assert store.profile("A").seq == 50


async def test_closing_gives_up_on_a_store_that_hangs(make: type[Make]) -> None:
    store = HangingStore()

    async def story(writer: WriterThread, results: Results) -> BatchResult:
        writer.submit([make.change("A")])
        assert await asyncio.to_thread(store.begun.wait, 10)
        assert not await writer.close(0.01)
        store.go_on.set()
        assert await writer.close(10)
        return await results.next()

    assert (await with_writer(store, story)).outcomes == [Outcome.STORED]


async def test_a_disk_that_comes_back_after_the_loop_has_ended_disturbs_nobody(make: type[Make]) -> None:
    store = HangingStore()

    writer = WriterThread(store, Results())
    await writer.start()
    writer.submit([make.change("A")])
    assert not await writer.close(0.01)

    store.go_on.set()
    writer._thread.join(10)

    assert store.profile("A") is not None


async def test_a_failed_batch_is_a_result_and_the_next_one_is_committed(make: type[Make]) -> None:
    full = StoreError("disk full")

    async def story(writer: WriterThread, results: Results) -> list[BatchResult]:
        for _ in range(3):
            writer.submit([make.change("A")])
        return [await results.next() for _ in range(3)]

    failed, broken, well = await with_writer(RefusingStore(full, ZeroDivisionError("ours")), story)

    assert failed.error is full
    assert str(broken.error) == "ZeroDivisionError: ours"
    assert (well.outcomes, well.error) == ([Outcome.STORED], None)
