"""Pages of feeds, read together for all clients that wait for one."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from operator import attrgetter

from trackd.actors.commits import Commits
from trackd.core.feed_cursor import Cursor
from trackd.http.feed.follower import Follower
from trackd.http.feed.pace import Pace
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.feed import KINDS, FeedFilter, FeedGroup, FeedPage, FeedRequest, Start
from trackd.storage.listings import QueryPool

MIN_PAUSE_S = 0.01  # between two groups after which nothing follows: the next one has all that was committed meanwhile
READ_COST_S = 8e-6  # of the event loop's time for each page that is read
SEND_COST_S, BYTE_COST_S = 60e-6, 1e-9  # and for each one that is sent
COMMIT = attrgetter("commit")
CHECK_S = 1.0  # a feed of a revoked token ends after so long
SLICE = 8  # pages that are sent in one go: calls do not wait for more
HEAD = FeedFilter(KINDS), FeedRequest(Start.NOW)

Key = tuple[FeedFilter, FeedRequest]
Group = Mapping[Key, Sequence[Follower]]


class FeedPages:
    """Reads pages by the reader process, one group after the other, for the feeds that may have more.

    Feeds that ask for the same share a page, and get it together, so that they ask for the same again.
    """

    def __init__(self, queries: QueryPool, commits: Commits, pace: Pace) -> None:
        self._queries = queries
        self._commits = commits
        self._pace = pace
        self._waiting: dict[Follower, None] = {}  # in their order
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._head: Cursor | None = None  # when the store was asked for commits of other servers
        self._check_timer: asyncio.TimerHandle | None = None
        commits.listeners.append(self._on_commit)

    async def next(self, follower: Follower, timeout_s: float | None = None) -> FeedPage | None:
        """The page that follows. None when there is none within the time or it is not allowed, and at the stop.

        Raises StoreError.
        """
        if self._commits.has_ended:
            return None
        page = follower.wait()
        self._waiting[follower] = None
        if self._may_have_more(follower):
            self._changed.set()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        if self._check_timer is None:
            self._check_timer = asyncio.get_running_loop().call_later(CHECK_S, self._check)
        try:
            await asyncio.wait([page], timeout=timeout_s)
            return page.result() if page.done() else None
        finally:
            del self._waiting[follower]
            follower.rest()
            if not self._waiting:
                self._changed.set()

    def _check(self) -> None:
        """One timer for all feeds: a hundred that wake once a second would take some percent of the event loop."""
        self._check_timer = None
        with contextlib.suppress(StoreError):  # the tokens cannot be read now
            for follower in self._waiting:
                if not follower.is_allowed():
                    follower.answer(None)
        if self._waiting:
            self._check_timer = asyncio.get_running_loop().call_later(CHECK_S, self._check)

    def _on_commit(self) -> None:
        self._changed.set()
        if self._commits.has_ended:
            for follower in self._waiting:
                follower.answer(None)

    async def _read_all(self) -> None:
        try:
            while self._waiting and not self._commits.has_ended:
                self._changed.clear()
                if group := self._due():
                    began = time.monotonic()
                    await self._read(group)
                    if all(follower.is_current for followers in group.values() for follower in followers):
                        await asyncio.sleep(began + MIN_PAUSE_S - time.monotonic())
                else:
                    await self._wait()
        finally:
            self._reading = None

    async def _wait(self) -> None:
        """Until this server has committed something, another one has, or a feed has come or gone."""
        try:
            async with asyncio.timeout(self._commits.poll_s):
                await self._changed.wait()
        except TimeoutError:
            with contextlib.suppress(StoreError):  # the next read reports it
                head = (await self._queries.read("feeds", [HEAD])).pages[0].cursor
                if head != self._head:
                    self._head = head
                    self._commits.add()

    def _due(self) -> Group:
        """The feeds that may have more, by the page that they ask for. Those for which there was no time come first."""
        group: dict[Key, list[Follower]] = {}
        for follower in sorted(self._waiting, key=COMMIT):
            if self._may_have_more(follower) and follower.waits:
                group.setdefault((follower.matching, follower.request), []).append(follower)
        return group

    def _may_have_more(self, follower: Follower) -> bool:
        return follower.commit != self._commits.number or not follower.is_current

    async def _read(self, group: Group) -> None:
        commit = self._commits.number
        try:
            found: FeedGroup = await self._queries.read("feeds", list(group))
        except DamagedRowError as error:
            await self._read_alone(group, error)
        except Exception as error:  # of the store, or a bug: none may wait for ever
            _fail(group, error)
        else:
            await self._hand_over(group, found.pages, commit)
            await self._pace.pause(READ_COST_S * len(group), found.processor_s)

    async def _hand_over(self, group: Group, pages: Sequence[FeedPage | None], commit: int) -> None:
        """A page of None is read with the next group."""
        sent, size = 0, 0
        for ((_, request), followers), page in zip(group.items(), pages, strict=True):
            if page is None:
                continue
            for follower in followers:
                if follower.waits_for(request) and follower.take(page, commit):
                    sent, size = sent + 1, size + len(page.records)
                if sent == SLICE:
                    await self._pace.pause(SEND_COST_S * sent + BYTE_COST_S * size)
                    sent, size = 0, 0
        await self._pace.pause(SEND_COST_S * sent + BYTE_COST_S * size)

    async def _read_alone(self, group: Group, error: Exception) -> None:
        """A damaged row ends the feeds that it belongs to, not those that were read together with them."""
        if len(group) == 1:
            _fail(group, error)
            return
        for key, followers in group.items():
            await self._read({key: followers})


def _fail(group: Group, error: Exception) -> None:
    for followers in group.values():
        for follower in followers:
            follower.fail(error)
