import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.results import Results
from tests.support.stores import existing
from trackd.core.changes import Outcome
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.store import Store
from trackd.storage.workers.writer_thread import WriterThread


@contextlib.asynccontextmanager
async def started(store: Store) -> AsyncIterator[tuple[WriterThread, Results]]:
    """A started writer, and the results that it hands back."""
    results = Results()
    writer = WriterThread(store, results)
    await writer.start()
    yield writer, results
    assert await writer.close(10)


async def test_the_result_of_a_batch_is_handed_back(make: type[Make]) -> None:
    async with started(MemoryStore()) as (writer, results):
        writer.submit([make.change("A"), make.change("A", (5, 5))])
        result = await results.next()

    assert (result.outcomes, result.error) == ([Outcome.STORED, Outcome.STALE], None)


async def test_batches_are_committed_in_order_in_another_thread_and_handed_back_in_that_of_the_loop(
    make: type[Make],
) -> None:
    store = FaultyStore()

    async with started(store) as (writer, results):
        for n in range(20):
            writer.submit([make.change("A", (n, n), events=1)])
        outcomes = [(await results.next()).outcomes for _ in range(20)]

    assert outcomes == [[Outcome.STORED]] * 20
    assert existing(store.profile("A")).seq == 20
    assert results.threads == {threading.current_thread()}
    assert threading.current_thread() not in store.committing_threads


async def test_closing_waits_for_the_submitted_batches(make: type[Make]) -> None:
    store = MemoryStore()

    async with started(store) as (writer, results):
        for n in range(50):
            writer.submit([make.change("A", (n, n), events=1)])
        assert await writer.close(10)
        outcomes = [(await results.next()).outcomes for _ in range(50)]

    assert outcomes == [[Outcome.STORED]] * 50
    assert existing(store.profile("A")).seq == 50


async def test_closing_gives_up_on_a_store_that_hangs(make: type[Make]) -> None:
    store = FaultyStore(hold=True)

    async with started(store) as (writer, results):
        writer.submit([make.change("A")])
        assert await asyncio.to_thread(store.committing.wait, 10)
        assert not await writer.close(0.01)
        store.release()
        assert await writer.close(10)
        result = await results.next()

    assert result.outcomes == [Outcome.STORED]


async def test_a_commit_that_ends_after_the_loop_harms_nothing(make: type[Make]) -> None:
    store = FaultyStore(hold=True)
    writer = WriterThread(store, Results())
    await writer.start()
    writer.submit([make.change("A")])
    assert not await writer.close(0.01)

    store.release()
    writer._thread.join(10)

    assert store.profile("A") is not None


async def test_a_failed_batch_has_a_result_and_the_next_one_is_committed(make: type[Make]) -> None:
    full = StoreError("disk full")
    store = FaultyStore(fail={"commit": [full, ZeroDivisionError("ours")]})

    async with started(store) as (writer, results):
        for _ in range(3):
            writer.submit([make.change("A")])
        failed, broken, well = [await results.next() for _ in range(3)]

    assert failed.error is full
    assert str(broken.error) == "a commit raised ZeroDivisionError", "its message may quote values of the calls"
    assert (well.outcomes, well.error) == ([Outcome.STORED], None)
