"""Lists for the event loop, which cannot wait for them: they are read in a process, or in threads."""

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.query_protocol import Answer, decode_answer, encode_question

THREADS = 4
END_TIMEOUT_S = 1.0


class QueryThreads:
    """See `QueryPool`. Of any `Listings`."""

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
    """See `QueryPool`. `command` starts what runs `read_frames`; it is started for the first list.

    A thread that reads takes the interpreter from the event loop again and again: 100 reads a second beside a full
    load cost 17 % of the calls, with the process 6 to 8 %.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = ChildProcess("reader process", command, self._answered, self._ended)
        self._starting: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Answer]] = {}

    async def read(self, name: str, *arguments: Any) -> Any:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        try:
            await asyncio.shield(self._starting)
        except StoreError:
            self._starting = None
            raise
        number = next(self._numbers)
        answered = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._process.send(encode_question(number, name, *arguments))
            answer = await answered
        finally:
            del self._asked[number]
        if answer.error is not None:
            raise StoreError(answer.error)
        return answer.page if answer.count is None else answer.count

    async def _start(self) -> None:
        try:
            await self._process.start()
        except OSError as error:
            raise StoreError(f"the reader process does not start: {error}") from error

    async def close(self) -> None:
        if self._starting is not None:
            await asyncio.wait([self._starting])
            await self._process.close(END_TIMEOUT_S)

    def _answered(self, payload: bytes) -> None:
        answer = decode_answer(payload)
        asked = self._asked.get(answer.number)
        if asked is not None and not asked.done():  # its caller may be gone
            asked.set_result(answer)

    def _ended(self, how: str) -> None:
        for number, asked in self._asked.items():
            if not asked.done():
                asked.set_result(Answer(number, error=how))
