"""Pages that several clients ask for at once."""

import asyncio
from typing import Any

import pytest

from trackd.core.feed_cursor import Cursor
from trackd.http.feed.pages import FeedPages
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest, Start

PAGE, OTHER_PAGE = (FeedPage(b"", 0, Cursor("0123456789abcdef", number), is_last=True) for number in (1, 2))
REQUEST = FeedRequest(Start.OLDEST)
ALL, OF_A = FeedFilter(), FeedFilter(type="a")


class Queries:
    """A `QueryPool` whose readings end when the test lets them. `asked` has the filters of each."""

    pid = None

    def __init__(self) -> None:
        self.readings: list[asyncio.Future[Any]] = []
        self.asked: list[list[FeedFilter]] = []

    async def read(self, name: str, *arguments: Any) -> Any:
        [asked] = arguments
        self.asked.append([matching for matching, _ in asked])
        self.readings.append(asyncio.get_running_loop().create_future())
        return await self.readings[-1]

    async def close(self) -> None: ...


class Reading:
    """Pages, and how many were read before each pause."""

    def __init__(self) -> None:
        self.queries = Queries()
        self.pauses: list[int] = []
        self._pages = FeedPages(self.queries, self._pause)

    def _pause(self, pages: int) -> float:
        self.pauses.append(pages)
        return 0

    def ask(self, matching: FeedFilter = ALL) -> asyncio.Task[FeedPage]:
        return asyncio.create_task(self._pages.read(matching, REQUEST))


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_that_wait_at_the_same_time_are_read_together_and_equal_ones_share_a_page() -> None:
    reading = Reading()
    asking = [reading.ask(), reading.ask(), reading.ask(OF_A), reading.ask()]
    await turns()
    later = reading.ask()
    await turns()
    assert reading.queries.asked == [[ALL, OF_A]]
    asking[0].cancel()  # the others get the page all the same
    reading.queries.readings[0].set_result([PAGE, OTHER_PAGE])
    assert await asyncio.gather(*asking[1:]) == [PAGE, OTHER_PAGE, PAGE]

    await turns()
    assert reading.queries.asked[1:] == [[ALL]]  # there may have been a commit since the first reading
    reading.queries.readings[1].set_result([OTHER_PAGE])
    assert await later == OTHER_PAGE
    assert reading.pauses == [2, 1]


async def test_a_damaged_row_ends_only_the_feeds_that_it_belongs_to() -> None:
    reading, damage = Reading(), DamagedRowError("a row is damaged")
    asking = [reading.ask(), reading.ask(OF_A)]
    for outcome in (damage, damage, [PAGE]):
        await turns()
        if outcome is damage:
            reading.queries.readings[-1].set_exception(damage)
        else:
            reading.queries.readings[-1].set_result(outcome)
    with pytest.raises(DamagedRowError):
        await asking[0]
    assert await asking[1] == PAGE
    assert reading.queries.asked == [[ALL, OF_A], [ALL], [OF_A]]


async def test_pages_for_which_there_was_no_time_are_read_next() -> None:
    reading = Reading()
    asking = [reading.ask(), reading.ask(OF_A)]
    await turns()
    reading.queries.readings[0].set_result([PAGE, None])
    assert await asking[0] == PAGE
    await turns()

    assert reading.queries.asked == [[ALL, OF_A], [OF_A]]
    reading.queries.readings[1].set_result([OTHER_PAGE])
    assert await asking[1] == OTHER_PAGE


@pytest.mark.parametrize("error", [StoreError("it fails"), KeyError()])
async def test_a_reading_that_fails_fails_for_all_and_is_not_kept(error: Exception) -> None:
    reading = Reading()
    asking = [reading.ask(), reading.ask(OF_A)]
    await turns()
    reading.queries.readings[0].set_exception(error)
    for each in asking:
        with pytest.raises(type(error)):
            await each
    again = reading.ask()
    await turns()
    reading.queries.readings[1].set_result([PAGE])

    assert await again == PAGE
