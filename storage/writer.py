"""What stands between the event loop and who commits: a process (writer_process.py), or a thread (writer_thread.py)."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from trackd.core.changes import Change, Outcome
from trackd.storage.errors import StoreError


class BatchResult(Struct, frozen=True):
    """What became of the batch that was submitted: an outcome for each change, or the error that undid them all.

    `seconds` is how long the commit took, None when none was tried.
    """

    outcomes: Sequence[Outcome] = ()
    error: StoreError | None = None
    seconds: float | None = None


Committed = Callable[[BatchResult], None]


class Commits(Protocol):
    """What `commit` needs of a store."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]: ...


class BatchWriter(Protocol):
    """Commits one batch at a time, elsewhere. Made with `committed`, which is called on the loop's thread.

    An error may be handed back without a batch: nothing can be committed now.
    """

    async def start(self) -> None:
        """Raises StoreError when there is nothing to start."""

    def submit(self, batch: Sequence[Change]) -> None:
        """Begin to commit. The result is handed to `committed`; then the next. Raises StoreError when it cannot."""

    async def close(self, timeout_s: float) -> bool:
        """Wait for what was submitted, then end. Returns whether it ended in time."""


def commit(store: Commits, batch: Sequence[Change]) -> BatchResult:
    """Commit a batch; whatever goes wrong becomes a result, so that its callers get an answer."""
    began = time.perf_counter()
    outcomes: Sequence[Outcome] = ()
    failed: StoreError | None = None
    try:
        outcomes = store.commit(batch)
    except StoreError as error:
        failed = error
    except Exception as error:  # a fault of ours must not end the only one that answers
        failed = StoreError(f"{type(error).__name__}: {error}")
    return BatchResult(outcomes, failed, time.perf_counter() - began)
