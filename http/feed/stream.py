"""The records of one feed, page after page, as they are committed."""

import asyncio
from collections.abc import AsyncIterator, Callable

from trackd.actors.commits import Commits
from trackd.core.feed_cursor import Cursor
from trackd.http.feed.pages import FeedPages
from trackd.http.feed.query import FeedQuery
from trackd.http.feed.subscribers import Subscriber, Subscribers
from trackd.storage.errors import StoreError
from trackd.storage.feed import PAGE_RECORDS, FeedPage, FeedRequest, Form, Start

HEARTBEAT_S = 15.0
CHECK_S = 1.0  # a feed of a revoked token ends after so long
MIN_PAUSE_S = 0.01  # between two pages after which nothing follows: the next one has all that was committed meanwhile
RETRY = b"retry: 1000\n"
STOPPING, NOT_ALLOWED = "the server stops", "the token or the login is not valid any more"
UNREADABLE, LOST = "the store cannot be read now", "the position is lost"


class FeedStream:
    """One feed. Iterate over `parts` to get what is sent."""

    def __init__(
        self,
        pages: FeedPages,
        commits: Commits,
        subscribers: Subscribers,
        subscriber: Subscriber,
        parameters: FeedQuery,
        form: Form,
        is_allowed: Callable[[], bool],
    ) -> None:
        self._pages = pages
        self._commits = commits
        self._subscribers = subscribers
        self._subscriber = subscriber
        self._matching = parameters.matching()
        self._form = form
        self._left = parameters.limit
        self._wait_s = None if form is Form.EVENTS else parameters.wait
        self._has_positions = form is Form.EVENTS or parameters.has_positions
        self._is_allowed = is_allowed
        self._now = asyncio.get_running_loop().time
        self._commit = 0  # the number of the last commit before the last page
        self._checked_at = self._read_at = self._found_at = self._sent_at = self._now()

    async def page(self, after: Cursor | Start) -> FeedPage:
        """The page after a position. Raises StoreError."""
        self._commit, self._read_at = self._commits.number, self._now()
        limit = PAGE_RECORDS if self._left is None else min(self._left, PAGE_RECORDS)
        return await self._pages.read(self._matching, FeedRequest(after, self._form, limit))

    async def parts(self, page: FeedPage) -> AsyncIterator[bytes]:
        """`page` is the first one. A position is sent after the records up to it: its client goes on behind it."""
        if self._form is Form.EVENTS:
            yield RETRY if page.number else RETRY + self._position(page.cursor)
        end = None
        while end is None:
            if page.number:
                await self._subscribers.turn(len(page.records))
                yield page.records
                self._sent(page)
            elif self._now() - self._sent_at >= HEARTBEAT_S:
                if self._has_positions:
                    yield self._position(page.cursor)
                self._sent_at = self._now()
            self._subscriber.read(page.cursor, self._now(), is_last=page.is_last)
            end = await self._wait(page)
            if end is None:
                page, end = await self._next_page(page)
        yield self._end(page, end)

    def _sent(self, page: FeedPage) -> None:
        self._subscribers.records += page.number
        self._found_at = self._sent_at = self._now()
        if self._left is not None:
            self._left -= page.number

    async def _wait(self, page: FeedPage) -> str | None:
        """Wait until there may be more. The result is the reason for the end of the feed, None while it goes on."""
        if self._left == 0:
            return ""
        while page.is_last and not self._commits.has_ended:
            now = self._now()
            rest = HEARTBEAT_S if self._wait_s is None else self._found_at + self._wait_s - now
            if rest <= 0:
                return ""
            if await self._commits.wait(self._commit, min(rest, CHECK_S)):
                await asyncio.sleep(self._read_at + MIN_PAUSE_S - self._now())
                break
            if not self._may_go_on():
                return NOT_ALLOWED
            if self._now() - self._sent_at >= HEARTBEAT_S:
                break
        if self._commits.has_ended:
            return STOPPING
        return None if self._may_go_on() else NOT_ALLOWED

    def _may_go_on(self) -> bool:
        if self._now() - self._checked_at < CHECK_S:
            return True
        self._checked_at = self._now()
        return self._is_allowed()

    async def _next_page(self, page: FeedPage) -> tuple[FeedPage, str | None]:
        try:
            following = await self.page(page.cursor)
        except StoreError:
            return page, UNREADABLE
        return (page, LOST) if following.lost else (following, None)

    def _position(self, cursor: Cursor) -> bytes:
        """The position without a record, for clients that want it."""
        if not self._has_positions:
            return b""
        if self._form is Form.EVENTS:
            return b"id: %b\n\n" % cursor.text.encode()
        return b'{"kind":"position","cursor":"%b"}\n' % cursor.text.encode()

    def _end(self, page: FeedPage, reason: str) -> bytes:
        position = self._position(page.cursor)
        return b": %b\n%b" % (reason.encode(), position) if self._form is Form.EVENTS else position
