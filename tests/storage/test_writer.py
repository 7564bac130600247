import queue
import threading

import pytest

from trackd.storage.memory import MemoryStore
from trackd.storage.store import Outcome, StoreError
from trackd.storage.writer import WriterThread, commit


class RefusingStore(MemoryStore):
    """Raises what it is given, once for each."""

    def __init__(self, *errors):
        super().__init__()
        self.errors = list(errors)

    def commit(self, batch):
        if self.errors:
            raise self.errors.pop(0)
        return super().commit(batch)


class HangingStore(MemoryStore):
    """A disk that does not come back until it is told."""

    def __init__(self):
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def commit(self, batch):
        self.begun.set()
        self.go_on.wait(10)
        return super().commit(batch)


@pytest.fixture
def results():
    return queue.SimpleQueue()


def test_the_result_of_a_batch_is_handed_back(make, results):
    store = MemoryStore()
    writer = WriterThread(store, results.put)

    writer.submit([make.change("A"), make.change("A", (5, 5))])

    result = results.get(timeout=10)
    assert (result.outcomes, result.error) == ([Outcome.STORED, Outcome.STALE], None)
    assert writer.close(10)


def test_batches_are_committed_in_order_and_in_another_thread(make, results):
    store = MemoryStore()
    writer = WriterThread(store, lambda result: results.put((threading.current_thread(), result)))

    for n in range(20):
        writer.submit([make.change("A", (n, n), events=1)])
    handed = [results.get(timeout=10) for _ in range(20)]

    assert [result.outcomes for _, result in handed] == [[Outcome.STORED]] * 20
    assert threading.current_thread() not in {thread for thread, _ in handed}
    assert store.profile("A").seq == 20
    assert writer.close(10)


def test_closing_waits_for_what_was_submitted(make, results):
    store = MemoryStore()
    writer = WriterThread(store, results.put)

    for n in range(50):
        writer.submit([make.change("A", (n, n), events=1)])

    assert writer.close(10)
    assert store.profile("A").seq == 50
    assert results.qsize() == 50


def test_closing_gives_up_on_a_store_that_hangs(make, results):
    store = HangingStore()
    writer = WriterThread(store, results.put)
    writer.submit([make.change("A")])
    assert store.begun.wait(10)

    assert not writer.close(0.01)

    store.go_on.set()
    assert writer.close(10)
    assert results.get(timeout=10).outcomes == [Outcome.STORED]


def test_a_failed_batch_is_a_result_and_the_next_one_is_committed(make, results):
    full = StoreError("disk full")
    writer = WriterThread(RefusingStore(full, ZeroDivisionError("ours")), results.put)

    for _ in range(3):
        writer.submit([make.change("A")])
    failed, broken, well = (results.get(timeout=10) for _ in range(3))

    assert failed.error is full
    assert str(broken.error) == "ZeroDivisionError: ours"
    assert (well.outcomes, well.error) == ([Outcome.STORED], None)
    assert writer.close(10)


def test_a_result_says_how_long_the_commit_took_also_when_it_failed(make):
    well, broken = (commit(store, [make.change("A")]) for store in (MemoryStore(), RefusingStore(KeyError("x"))))

    assert well.seconds > 0
    assert broken.seconds > 0


def test_any_error_of_a_store_becomes_a_store_error(make):
    result = commit(RefusingStore(KeyError("x")), [make.change("A")])

    assert isinstance(result.error, StoreError)
    assert result.outcomes == ()
