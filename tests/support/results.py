"""The results that a `BatchWriter` hands back."""

import asyncio
import threading

from trackd.storage.writer import BatchResult

WITHIN_S = 20


class Results(asyncio.Queue[BatchResult]):
    """A queue of results, to be given to a writer as `committed`. `threads` are the threads that called it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()

    def __call__(self, result: BatchResult) -> None:
        self.threads.add(threading.current_thread())
        self.put_nowait(result)

    async def next(self) -> BatchResult:
        return await asyncio.wait_for(self.get(), WITHIN_S)
