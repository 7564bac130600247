"""The two `QueryPool`s, for any backend: lists are read in threads, or in a process of their own."""

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.listings import Listings
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.query_protocol import FEEDS, SHORT_QUERIES, Answer, decode_answer, encode_query
from trackd.storage.workers.query_turns import QueryTurns

THREADS = 4
MAX_SHORT = 2  # queries that the reader process has at once: it runs one of them, and has the next one
MAX_FEEDS = 1  # groups of pages of feeds: beside lists, which take longer
MAX_WAITING = 1_000  # queries; a request takes about 20 KB of memory
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
    It has few queries at a time, so that it runs none that nobody waits for any more, and few results are in memory.
    Reads that take longer than `timeout_s`, with the time that they wait, raise StoreError.
    """

    def __init__(self, command: Sequence[str], timeout_s: float = 60.0) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._numbers = itertools.count()
        self._pending: dict[int, tuple[asyncio.Future[Answer], QueryTurns]] = {}  # those that the process has
        self._short = QueryTurns(MAX_SHORT, MAX_WAITING)
        self._others = QueryTurns(THREADS, MAX_WAITING)
        self._feeds = QueryTurns(MAX_FEEDS, MAX_WAITING)
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
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask(name, arguments)
        except TimeoutError:
            raise StoreError(f"the reader process gave no answer within {self._timeout_s:g} s") from None
        if answer.error is not None:
            raise DamagedRowError(answer.error) if answer.is_damage else StoreError(answer.error)
        results = (answer.page, answer.count, answer.keys, answer.counts, answer.feeds)
        return next((result for result in results if result is not None), None)

    async def _ask(self, name: str, arguments: tuple[Any, ...]) -> Answer:
        """The answer to a query. Its turn ends when the process answers, also when the caller was cancelled before."""
        turns = self._feeds if name == FEEDS else self._short if name in SHORT_QUERIES else self._others
        await turns.begin()
        number = next(self._numbers)
        pending: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            self._process.send(encode_query(number, name, *arguments))
        except BaseException:
            turns.end()
            raise
        self._pending[number] = pending, turns
        return await pending

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
        if answer.number in self._pending:
            self._settle(answer)

    def _on_end(self, how: str) -> None:
        for number in [*self._pending]:
            self._settle(Answer(number, error=how))

    def _settle(self, answer: Answer) -> None:
        pending, turns = self._pending.pop(answer.number)
        turns.end()
        if not pending.done():  # its caller may have been cancelled
            pending.set_result(answer)
