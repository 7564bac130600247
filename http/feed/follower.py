"""One feed's position in what is stored."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import PAGE_RECORDS, FeedFilter, FeedPage, FeedRequest, Form, Position

NEVER = -1


class Follower:
    """A feed that reads page after page.

    `moved` is called with the position and whether nothing follows, each time that there is no record up to it.
    `is_allowed` returns whether its client may still read.
    """

    def __init__(
        self,
        matching: FeedFilter,
        after: Position,
        form: Form,
        moved: Callable[[Cursor, bool], None],
        is_allowed: Callable[[], bool],
    ) -> None:
        self.matching = matching
        self.request = FeedRequest(after, form)
        self.commit = NEVER
        """The number of the last commit before its last page was read."""
        self.is_current = False
        """Whether nothing followed its last page."""
        self._page: asyncio.Future[FeedPage | None] | None = None
        self._moved = moved
        self.is_allowed = is_allowed

    def limit(self, records: int | None) -> None:
        """The next pages have no more records."""
        most = PAGE_RECORDS if records is None else min(records, PAGE_RECORDS)
        if most != self.request.limit:
            self.request = replace(self.request, limit=most)

    @property
    def position(self) -> Cursor | None:
        """None before the first page."""
        return self.request.after if isinstance(self.request.after, Cursor) else None

    @property
    def waits(self) -> bool:
        return self._page is not None and not self._page.done()

    def wait(self) -> asyncio.Future[FeedPage | None]:
        """The page that it waits for; None at the stop."""
        self._page = asyncio.get_running_loop().create_future()
        return self._page

    def waits_for(self, request: FeedRequest) -> bool:
        return self.waits and self.request == request

    def take(self, page: FeedPage, commit: int) -> bool:
        """Go on behind a page that was read after this commit. Whether the feed gets it: it waits for records.

        It gets a page without any too when it is the first one, or the first one after which nothing follows.
        """
        if page.lost is not None:
            self.answer(page)
            return True
        is_wanted = page.number > 0 or self.commit == NEVER or (page.is_last and not self.is_current)
        self.is_current = page.is_last
        self.commit = commit
        if page.cursor != self.request.after:
            self.request = replace(self.request, after=page.cursor)
        if is_wanted:
            self.answer(page)
        else:
            self._moved(page.cursor, page.is_last)
        return is_wanted

    def answer(self, page: FeedPage | None) -> None:
        if self._page is not None and not self._page.done():
            self._page.set_result(page)

    def fail(self, error: Exception) -> None:
        if self._page is not None and not self._page.done():
            self._page.set_exception(error)

    def rest(self) -> None:
        """It does not wait any more."""
        if self._page is not None and self._page.done():
            self._page.exception()  # noticed, also when the client has gone
        self._page = None
