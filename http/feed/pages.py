"""Pages of feeds, read once for all clients that ask for the same one."""

import asyncio
from typing import cast

from trackd.actors.commits import Commits
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest
from trackd.storage.listings import QueryPool

Key = tuple[int, FeedFilter, FeedRequest]


class FeedPages:
    """Reads pages by the reader process. Clients that wait for the same commit share one reading."""

    def __init__(self, queries: QueryPool, commits: Commits) -> None:
        self._queries = queries
        self._commits = commits
        self._reading: dict[Key, asyncio.Task[FeedPage]] = {}

    async def read(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        """The page, with all commits in it that have ended by now. Raises StoreError."""
        key = (self._commits.number, matching, request)
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read(matching, request))
            reading.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(reading)  # others wait for it, when this client goes away

    async def _read(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        return cast(FeedPage, await self._queries.read("feed", matching, request))

    def _end(self, key: Key, done: asyncio.Task[FeedPage]) -> None:
        del self._reading[key]
        if not done.cancelled():
            done.exception()  # it may be that all clients have gone
