"""A `BatchWriter` in a thread, for tests and for programs that embed trackd: it commits to any store."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Sequence

from trackd.core.changes import Change
from trackd.storage.store import Store
from trackd.storage.writer import Committed, commit


class WriterThread:
    """See `BatchWriter`."""

    pid = None

    def __init__(self, store: Store, committed: Committed) -> None:
        self._store = store
        self._committed = committed
        self._batches: queue.SimpleQueue[Sequence[Change] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="trackd-writer", daemon=True)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, batch: Sequence[Change]) -> None:
        self._batches.put(batch)

    async def close(self, timeout_s: float) -> bool:
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join, timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            result = commit(self._store, batch)
            with contextlib.suppress(RuntimeError):  # a disk that hung may answer after the loop is closed
                self._loop.call_soon_threadsafe(self._committed, result)
