"""The thread that commits, and what stands between it and the event loop."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from trackd.storage.store import Change, Outcome, Store, StoreError


class BatchResult(Struct, frozen=True):
    """What became of the batch that was submitted: an outcome for each change, or the error that undid them all.

    `seconds` is how long the commit took, None when none was tried.
    """

    outcomes: Sequence[Outcome] = ()
    error: StoreError | None = None
    seconds: float | None = None


class BatchWriter(Protocol):
    """Commits one batch at a time, elsewhere."""

    def submit(self, batch: Sequence[Change]) -> None:
        """Begin to commit. The result is handed to `committed`, which the writer was made with; then the next."""

    def close(self, timeout_s: float) -> bool:
        """Wait for what was submitted, then end. Returns whether it ended in time."""


class WriterThread:
    """See `BatchWriter`. `committed` is called in the writer's thread: pass one that hands over to the loop's."""

    def __init__(self, store: Store, committed: Callable[[BatchResult], None]) -> None:
        self._store = store
        self._committed = committed
        self._batches: queue.SimpleQueue[Sequence[Change] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="trackd-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Sequence[Change]) -> None:
        self._batches.put(batch)

    def close(self, timeout_s: float) -> bool:
        self._batches.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._committed(commit(self._store, batch))


def commit(store: Store, batch: Sequence[Change]) -> BatchResult:
    """Commit a batch; whatever goes wrong becomes a result, so that its callers get an answer."""
    began = time.perf_counter()
    outcomes: Sequence[Outcome] = ()
    failed: StoreError | None = None
    try:
        outcomes = store.commit(batch)
    except StoreError as error:
        failed = error
    except Exception as error:  # a fault of ours must not end the only thread that answers
        failed = StoreError(f"{type(error).__name__}: {error}")
    return BatchResult(outcomes, failed, time.perf_counter() - began)
