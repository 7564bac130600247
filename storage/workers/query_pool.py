"""The two `QueryPool`s, for any backend: lists are read in threads, or in a process of their own."""

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.query_protocol import Answer, decode_answer, encode_query

THREADS = 4
END_TIMEOUT_S = 1.0


class QueryThreads:
    """A `QueryPool` of threads."""

    pid = None

    def __init__(self, listings: Listings) -> None:
        self._listings = listings
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="trackd-lists")

    async def read(self, name: str, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, getattr(self._listings, name), *arguments
        )

    async def close(self) -> None:
        self._threads.shutdown()


class QueryProcess:
    """A `QueryPool` in a process, which does not compete with the event loop for the interpreter as threads do.

    `command` starts a process that runs `answer_frames` on its stdin and stdout. It is started for the first list.
    Reads that take longer than `timeout_s` raise StoreError.
    """

    def __init__(self, command: Sequence[str], timeout_s: float = 60.0) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._numbers = itertools.count()
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self.resume()

    def resume(self) -> None:
        """Start a process for the next list, after `pause`."""
        self._process = ChildProcess("reader process", self._command, self._on_answer, self._on_end)
        self._starting: asyncio.Task[None] | None = None
        self._paused = False

    async def pause(self) -> None:
        """End the process, which has the file open; until `resume` reads raise StoreError."""
        self._paused = True
        await self.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def read(self, name: str, *arguments: Any) -> Any:
        if self._paused:
            raise StoreError("the file is closed, it will be opened again")
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        try:
            await asyncio.shield(self._starting)
        except StoreError:
            self._starting = None
            raise
        number = next(self._numbers)
        pending = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            self._process.send(encode_query(number, name, *arguments))
            async with asyncio.timeout(self._timeout_s):
                answer = await pending
        except TimeoutError:
            raise StoreError(f"the reader process gave no answer within {self._timeout_s:g} s") from None
        finally:
            del self._pending[number]
        if answer.error is not None:
            raise StoreError(answer.error)
        results = (answer.page, answer.count, answer.keys, answer.counts)
        return next((result for result in results if result is not None), None)

    async def _start(self) -> None:
        try:
            await self._process.start()
        except OSError as error:
            raise StoreError(f"the reader process does not start: {error}") from error

    async def close(self) -> None:
        if self._starting is not None:
            await asyncio.wait([self._starting])
            await self._process.close(END_TIMEOUT_S)

    def _on_answer(self, payload: bytes) -> None:
        answer = decode_answer(payload)
        pending = self._pending.get(answer.number)
        if pending is not None and not pending.done():  # the reader may have been cancelled
            pending.set_result(answer)

    def _on_end(self, how: str) -> None:
        for number, pending in self._pending.items():
            if not pending.done():
                pending.set_result(Answer(number, error=how))
