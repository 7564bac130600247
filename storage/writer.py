"""The seam between the event loop and commits, which block: a `BatchWriter` commits elsewhere and reports the results.

There are two, for any backend: a process (workers/writer_process.py), which `trackd serve` uses, and a thread
(workers/writer_thread.py).
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from trackd.core.changes import Change, Outcome
from trackd.core.retention_changes import Swept
from trackd.storage.errors import StoreError
from trackd.telemetry.faults import without_values

log = logging.getLogger(__name__)


class BatchResult(Struct, frozen=True):
    """The result of one batch: an outcome for each change in its order, or the error because of which none is written.

    `seconds` is the duration of the commit, None when there was no attempt. `swept` is the report of a deletion.
    `reconnects` is the number of lost connections to a database that were opened again for it.
    """

    outcomes: Sequence[Outcome] = ()
    error: StoreError | None = None
    seconds: float | None = None
    swept: Swept | None = None
    reconnects: int = 0


Committed = Callable[[BatchResult], None]
"""A callback that receives the result of each batch, on the event loop's thread."""


class Commits(Protocol):
    """The method of a store that `commit` uses."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """See `Store.commit`."""

    @property
    def swept(self) -> Swept | None:
        """See `Store.swept`."""


class BatchWriter(Protocol):
    """Commits one batch at a time, in another thread or process. Used on the event loop's thread only.

    It is constructed with a callback, `Committed`. The callback receives one result for each submitted batch. It may
    also receive an error without a batch, when the writer learns that it cannot commit at present.
    """

    @property
    def pid(self) -> int | None:
        """The id of the process, None while it is not running, and for a thread."""

    async def start(self) -> None:
        """Start the thread or process; return when it is ready. Raises StoreError when it does not start."""

    def submit(self, batch: Sequence[Change]) -> None:
        """Begin to commit a batch, and return at once. The next batch may follow after the result of this one.

        Raises StoreError when the writer is not running; then there is no result.
        """

    async def close(self, timeout_s: float) -> bool:
        """Wait for the submitted batch, then end the thread or process. Returns whether it ended in time."""


def commit(store: Commits, batch: Sequence[Change]) -> BatchResult:
    """Commit a batch to a store, and return the result. Every exception becomes an error in it."""
    began = time.perf_counter()
    outcomes: Sequence[Outcome] = ()
    failed: StoreError | None = None
    try:
        outcomes = store.commit(batch)
    except StoreError as error:
        failed = error
    except Exception as error:  # a bug must not end the writer: without a result the batch's callers get no answer
        log.error("a commit failed", exc_info=without_values(error))
        failed = StoreError(f"a commit raised {type(error).__name__}")
    return BatchResult(outcomes, failed, time.perf_counter() - began, None if failed else store.swept)
