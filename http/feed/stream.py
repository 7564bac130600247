"""The records of one feed, page after page, as they are committed."""

import asyncio
from collections.abc import AsyncIterator, Callable

from trackd.actors.commits import Commits
from trackd.core.feed_cursor import Cursor
from trackd.http.feed.follower import Follower
from trackd.http.feed.pages import FeedPages
from trackd.http.feed.query import FeedQuery
from trackd.http.feed.subscribers import Subscriber, Subscribers
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedPage, Form

HEARTBEAT_S = 15.0
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
        self._form = form
        self._left = parameters.limit
        self._wait_s = None if form is Form.EVENTS else parameters.wait
        self._has_positions = form is Form.EVENTS or parameters.has_positions
        self._now = asyncio.get_running_loop().time
        self._found_at = self._sent_at = self._now()
        self._follower = Follower(parameters.matching(), parameters.start(), form, self._moved, is_allowed)
        self._follower.limit(self._left)

    async def first_page(self) -> FeedPage | None:
        """None at the stop. Raises StoreError."""
        page = None
        while page is None and not self._commits.has_ended:
            page = await self._pages.next(self._follower)
        return page

    async def parts(self, page: FeedPage) -> AsyncIterator[bytes]:
        """`page` is the first one. A position is sent after the records up to it: its client goes on behind it."""
        if self._form is Form.EVENTS:
            yield RETRY if page.number else RETRY + self._position()
        elif not page.number:
            yield b""  # the head of the answer does not wait for a record
        following: FeedPage | None = page
        end = None
        while end is None:
            if following is not None and following.number:
                yield following.records
                self._sent(following)
            elif self._now() - self._sent_at >= HEARTBEAT_S:
                if self._has_positions:
                    yield self._position()
                self._sent_at = self._now()
            if following is not None:
                self._moved(following.cursor, following.is_last)
            following, end = await self._next()
        yield self._end(end)

    def _sent(self, page: FeedPage) -> None:
        self._subscribers.records += page.number
        self._found_at = self._sent_at = self._now()
        if self._left is not None:
            self._left -= page.number
            self._follower.limit(self._left)

    def _moved(self, cursor: Cursor, is_last: bool) -> None:
        self._subscriber.read(cursor, self._now(), is_last=is_last)

    async def _next(self) -> tuple[FeedPage | None, str | None]:
        """The next page, None at the time for a position; and the reason for the end, None while it goes on."""
        while self._left != 0:
            now = self._now()
            rest = self._sent_at + HEARTBEAT_S - now
            if self._wait_s is not None and self._follower.is_current:
                left = self._found_at + self._wait_s - now
                if left <= 0:
                    return None, ""
                rest = min(rest, left)
            try:
                if not self._follower.is_allowed():
                    return None, NOT_ALLOWED
                page = await self._pages.next(self._follower, max(rest, 0))
            except StoreError:
                return None, UNREADABLE
            if page is not None:
                return page, LOST if page.lost else None
            if self._commits.has_ended:
                return None, STOPPING
            if self._now() - self._sent_at >= HEARTBEAT_S:
                return None, None
        return None, ""

    def _position(self) -> bytes:
        """The position without a record, for clients that want it."""
        cursor = self._follower.position
        if not self._has_positions or cursor is None:
            return b""
        if self._form is Form.EVENTS:
            return b"id: %b\n\n" % cursor.text.encode()
        return b'{"kind":"position","cursor":"%b"}\n' % cursor.text.encode()

    def _end(self, reason: str) -> bytes:
        position = self._position()
        return b": %b\n%b" % (reason.encode(), position) if self._form is Form.EVENTS else position
