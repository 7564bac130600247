"""Pages of feeds, read together for all clients that wait for one."""

import asyncio
from collections.abc import Callable, Mapping

from trackd.storage.errors import DamagedRowError
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest
from trackd.storage.listings import QueryPool

Key = tuple[FeedFilter, FeedRequest]


class FeedPages:
    """Reads pages by the reader process, one group after the other. Equal requests of a group share a page."""

    def __init__(self, queries: QueryPool, pause: Callable[[int], float]) -> None:
        """`pause` is how many seconds to wait after so many pages, so that calls are not held up."""
        self._queries = queries
        self._pause = pause
        self._waiting: dict[Key, asyncio.Future[FeedPage]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        """The page, with all commits in it that have ended by now. Raises StoreError."""
        key = (matching, request)
        page = self._waiting.get(key)
        if page is None:
            page = self._waiting[key] = asyncio.get_running_loop().create_future()
            page.add_done_callback(_notice_error)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await asyncio.shield(page)  # others wait for it, when this client goes away

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, {}
                await self._read(group)
        finally:
            self._reading = None

    async def _read(self, group: Mapping[Key, asyncio.Future[FeedPage]]) -> None:
        while group:
            try:
                pages = await self._queries.read("feeds", list(group))
            except DamagedRowError as error:
                await self._read_alone(group, error)
                return
            except Exception as error:  # of the store, or a bug: none may wait for ever
                for each in group.values():
                    each.set_exception(error)
                return
            for each, page in zip(group.values(), pages, strict=True):
                if page is not None:
                    each.set_result(page)
            await asyncio.sleep(self._pause(sum(page is not None for page in pages)))
            group = {key: each for key, each in group.items() if not each.done()}

    async def _read_alone(self, group: Mapping[Key, asyncio.Future[FeedPage]], error: Exception) -> None:
        """A damaged row ends the feeds that it belongs to, not those that were read together with them."""
        if len(group) == 1:
            [page] = group.values()
            page.set_exception(error)
            return
        for key, page in group.items():
            await self._read({key: page})


def _notice_error(page: asyncio.Future[FeedPage]) -> None:
    """It may be that all clients have gone."""
    if not page.cancelled():
        page.exception()
