"""Pages that several feeds ask for at once."""

import asyncio
from typing import Any

import pytest

from trackd.actors.commits import Commits
from trackd.core.feed_cursor import Cursor
from trackd.http.feed.follower import Follower
from trackd.http.feed.pace import Lasting, Load, Pace
from trackd.http.feed.pages import FeedPages
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.feed import FeedFilter, FeedGroup, FeedPage, FeedRequest, Form, Lost, Start

ALL, OF_A = FeedFilter(), FeedFilter(type="a")
Asked = list[tuple[FeedFilter, FeedRequest]]


def cursor(number: int) -> Cursor:
    return Cursor("0123456789abcdef", number)


def page(number: int, records: int = 1, *, is_last: bool = True) -> FeedPage:
    return FeedPage(b"x" * records, records, cursor(number), is_last)


def empty(number: int, *, is_last: bool = True) -> FeedPage:
    return page(number, 0, is_last=is_last)


class Queries:
    """A `QueryPool` whose readings end when the test lets them. `asked` has what each asked for."""

    pid = None

    def __init__(self) -> None:
        self.readings: list[asyncio.Future[Any]] = []
        self.asked: list[Asked] = []

    async def read(self, name: str, *arguments: Any) -> Any:
        [asked] = arguments
        self.asked.append(asked)
        self.readings.append(asyncio.get_running_loop().create_future())
        return await self.readings[-1]

    async def close(self) -> None: ...


class NoPause(Pace):
    def __init__(self) -> None:
        super().__init__(lambda: Lasting(Load.LIGHT, 0))
        self.taken: list[tuple[float, float]] = []

    async def pause(self, loop_s: float, reader_s: float = 0.0) -> None:
        self.taken.append((loop_s, reader_s))
        await asyncio.sleep(0)


class Feeds:
    """Pages for feeds of a store that the test plays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("trackd.http.feed.pages.MIN_PAUSE_S", 0)
        self.queries, self.commits, self.pace = Queries(), Commits(), NoPause()
        self.pages = FeedPages(self.queries, self.commits, self.pace)
        self.moved: list[tuple[Cursor, bool]] = []
        self.revoked: set[FeedFilter] = set()

    def follower(self, matching: FeedFilter = ALL, after: Cursor | Start = Start.OLDEST) -> Follower:
        def is_allowed() -> bool:
            return matching not in self.revoked

        return Follower(matching, after, Form.LINES, lambda *moved: self.moved.append(moved), is_allowed)

    async def next(self, follower: Follower, timeout_s: float | None = None) -> asyncio.Task[FeedPage | None]:
        task = asyncio.create_task(self.pages.next(follower, timeout_s))
        await turns()
        return task

    async def current(self, *filters: FeedFilter) -> list[asyncio.Task[FeedPage | None]]:
        """Feeds that wait and have all that is stored."""
        followers = [self.follower(matching) for matching in filters]
        for follower in followers:
            await self.next(follower)
            await self.found(empty(1))
        return [await self.next(follower) for follower in followers]

    async def found(self, *pages: FeedPage | None) -> None:
        self.queries.readings[-1].set_result(FeedGroup(list(pages)))
        await turns()

    async def commit(self) -> None:
        self.commits.add()
        await turns()

    @property
    def filters(self) -> list[list[FeedFilter]]:
        return [[matching for matching, _ in asked] for asked in self.queries.asked]


@pytest.fixture
async def feeds(monkeypatch: pytest.MonkeyPatch) -> Feeds:
    return Feeds(monkeypatch)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_feeds_that_wait_at_the_same_time_are_read_together_and_equal_ones_share_a_page(feeds: Feeds) -> None:
    await feeds.next(feeds.follower())
    asking = [await feeds.next(feeds.follower(matching)) for matching in (ALL, OF_A, ALL)]
    await feeds.found(page(1))
    assert feeds.filters == [[ALL], [ALL, OF_A]]  # there may have been a commit since the first reading

    asking[0].cancel()  # the others get the page all the same
    await feeds.found(page(1), page(2))
    assert [await each for each in asking[1:]] == [page(2), page(1)]


async def test_a_feed_waits_until_a_commit_brings_records_for_it(feeds: Feeds) -> None:
    feed = feeds.follower(OF_A, cursor(1))
    first = await feeds.next(feed)
    await feeds.found(empty(1))
    assert await first == empty(1)

    following = await feeds.next(feed)
    assert len(feeds.queries.asked) == 1
    await feeds.commit()
    await feeds.found(empty(2))
    assert feeds.moved == [(cursor(2), True)]
    await feeds.commit()
    assert feeds.queries.asked[-1] == [(OF_A, FeedRequest(cursor(2)))]
    await feeds.found(page(3))
    assert (await following, feed.position) == (page(3), cursor(3))


async def test_a_commit_during_a_reading_is_read_next(feeds: Feeds) -> None:
    feed = feeds.follower()
    await feeds.next(feed)
    await feeds.commit()
    await feeds.found(empty(1))
    following = await feeds.next(feed)
    await feeds.found(page(2))

    assert await following == page(2)


async def test_a_feed_that_is_behind_reads_on_without_a_commit_and_learns_when_it_is_not_any_more(
    feeds: Feeds,
) -> None:
    feed = feeds.follower(OF_A)
    first = await feeds.next(feed)
    await feeds.found(page(10, is_last=False))
    assert await first == page(10, is_last=False)

    following = await feeds.next(feed)
    await feeds.found(empty(20, is_last=False))
    assert feeds.moved == [(cursor(20), False)]
    await feeds.found(empty(30))
    assert await following == empty(30)


async def test_a_feed_without_a_page_within_the_time_goes_on_where_it_was(feeds: Feeds) -> None:
    feed = feeds.follower(ALL, cursor(1))
    await feeds.next(feed)
    await feeds.found(empty(1))
    assert await feeds.pages.next(feed, 0.001) is None

    await feeds.commit()  # read by nobody
    following = await feeds.next(feed)
    late = asyncio.create_task(feeds.pages.next(feeds.follower(), 0.001))
    assert await late is None
    await feeds.found(page(2))
    assert await following == page(2)


async def test_a_page_that_comes_after_the_time_is_not_lost(feeds: Feeds) -> None:
    feed = feeds.follower(ALL, cursor(1))
    assert await feeds.pages.next(feed, 0.001) is None
    await feeds.found(page(2))
    assert feed.position == cursor(1)

    following = await feeds.next(feed)
    await feeds.found(page(2))
    assert await following == page(2)


async def test_a_lost_position_does_not_move(feeds: Feeds) -> None:
    feed = feeds.follower(ALL, cursor(5))
    asking = await feeds.next(feed)
    lost = FeedPage(b"", 0, cursor(1), is_last=False, lost=Lost.AHEAD)
    await feeds.found(lost)

    assert (await asking, feed.position) == (lost, cursor(5))


async def test_the_stop_ends_all_waits(feeds: Feeds) -> None:
    feed = feeds.follower()
    asking = await feeds.next(feed)
    feeds.commits.end()

    assert await asking is None
    assert await feeds.pages.next(feed) is None
    await feeds.found(page(1))
    assert feed.position is None


async def test_a_feed_that_waits_is_woken_when_it_is_not_allowed_any_more(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackd.http.feed.pages.CHECK_S", 0)
    others, of_a = await feeds.current(ALL, OF_A)
    await turns()
    feeds.revoked.add(OF_A)

    assert await of_a is None
    assert not others.done()


async def test_a_feed_that_begins_or_ends_to_wait_does_not_make_all_others_be_examined(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    await feeds.current(*(FeedFilter(type=name) for name in "bcd"))
    examined: list[Follower] = []
    monkeypatch.setattr(feeds.pages, "_may_have_more", examined.append)
    feed = feeds.follower(OF_A, cursor(1))
    assert await feeds.pages.next(feed, 0) is None
    await turns()

    assert examined == [feed]


async def test_a_damaged_row_ends_only_the_feeds_that_it_belongs_to(feeds: Feeds) -> None:
    await feeds.next(feeds.follower())
    asking = [await feeds.next(feeds.follower(ALL, cursor(1))), await feeds.next(feeds.follower(OF_A))]
    await feeds.found(page(1))
    for _ in range(2):
        feeds.queries.readings[-1].set_exception(DamagedRowError("a row is damaged"))
        await turns()
    await feeds.found(page(1))

    with pytest.raises(DamagedRowError):
        await asking[0]
    assert await asking[1] == page(1)
    assert feeds.filters[1:] == [[ALL, OF_A], [ALL], [OF_A]]


async def test_pages_for_which_there_was_no_time_are_read_next_and_first(feeds: Feeds) -> None:
    others = [feeds.follower(FeedFilter(type=name)) for name in "bc"]
    for other in others:
        await feeds.next(other)
    await feeds.found(empty(1))
    await feeds.found(empty(1))
    waiting = [await feeds.next(each) for each in (*others, feeds.follower(OF_A))]
    await feeds.commit()
    await feeds.found(empty(1))
    assert [each.type for each in feeds.filters[-1]] == ["b", "c"]
    await feeds.found(empty(2), None)
    await feeds.commit()

    assert [each.type for each in feeds.filters[-1]] == ["c"]
    await feeds.found(page(3))
    assert await waiting[1] == page(3)


@pytest.mark.parametrize("error", [StoreError("it fails"), KeyError()])
async def test_a_reading_that_fails_fails_for_all_and_is_not_kept(feeds: Feeds, error: Exception) -> None:
    feed = feeds.follower()
    await feeds.next(feed)
    asking = [await feeds.next(feeds.follower(ALL, cursor(1))), await feeds.next(feeds.follower(OF_A))]
    await feeds.found(page(1))
    feeds.queries.readings[-1].set_exception(error)
    for each in asking:
        with pytest.raises(type(error)):
            await each
    again = await feeds.next(feeds.follower())
    await feeds.found(page(1))

    assert await again == page(1)


async def test_pages_are_sent_in_slices_with_pauses_for_all_that_they_take(feeds: Feeds) -> None:
    waiting = await feeds.next(feeds.follower(OF_A))
    asking = [await feeds.next(feeds.follower()) for _ in range(20)]
    await feeds.found(empty(1))
    await waiting
    feeds.pace.taken.clear()
    feeds.queries.readings[-1].set_result(FeedGroup([page(1, 60_000)], 0.5))
    await asyncio.gather(*asking)
    await turns()

    loop_s, reader_s = zip(*feeds.pace.taken, strict=True)
    assert sum(reader_s) == 0.5
    assert [round(each / loop_s[0], 1) for each in loop_s[:3]] == [1, 1, 0.5]  # 8, 8 and 4
