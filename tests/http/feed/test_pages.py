"""Pages that several clients ask for at once."""

import asyncio
from typing import Any

import pytest

from trackd.actors.commits import Commits
from trackd.core.feed_cursor import Cursor
from trackd.http.feed.pages import FeedPages
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest, Start

PAGE = FeedPage(b"", 0, Cursor("0123456789abcdef", 1), is_last=True)
REQUEST = FeedRequest(Start.OLDEST)


class Queries:
    """A `QueryPool` whose readings end when the test lets them."""

    pid = None

    def __init__(self) -> None:
        self.readings: list[asyncio.Future[Any]] = []

    async def read(self, name: str, *arguments: Any) -> Any:
        self.readings.append(asyncio.get_running_loop().create_future())
        return await self.readings[-1]

    async def close(self) -> None: ...


async def test_equal_requests_after_one_commit_share_a_reading() -> None:
    queries, commits = Queries(), Commits()
    pages = FeedPages(queries, commits)
    asking = [asyncio.create_task(pages.read(FeedFilter(), REQUEST)) for _ in range(3)]
    await asyncio.sleep(0)
    commits.add()
    later = asyncio.create_task(pages.read(FeedFilter(), REQUEST))
    other = asyncio.create_task(pages.read(FeedFilter(type="a"), REQUEST))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(queries.readings) == 3
    asking[0].cancel()  # the others get the page all the same
    for reading in queries.readings:
        reading.set_result(PAGE)

    assert await asyncio.gather(*asking[1:], later, other) == [PAGE] * 4


async def test_a_reading_that_fails_fails_for_all_and_is_not_kept() -> None:
    queries = Queries()
    pages = FeedPages(queries, Commits())
    asking = [asyncio.create_task(pages.read(FeedFilter(), REQUEST)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    queries.readings[0].set_exception(StoreError("it fails"))
    for each in asking:
        with pytest.raises(StoreError):
            await each
    again = asyncio.create_task(pages.read(FeedFilter(), REQUEST))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    queries.readings[1].set_result(PAGE)

    assert await again == PAGE
