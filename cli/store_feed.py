"""The feed of a store, read as it grows, also while no server runs on it."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

from trackd.cli.newest_records import LostPositionError, newest_records
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest, Lost, Position, Start
from trackd.storage.listings import Listings

LOST = {
    Lost.DELETED: "the retention has deleted events that followed this position",
    Lost.REPLACED: "a backup was restored that lacks the records up to this position",
    Lost.AHEAD: "this position is ahead of all that is stored",
    Lost.FOREIGN: "this position is of another database",
}


class ChangedError(Exception):
    """Something else wrote to what was read: what was read may be wrong, and is read again."""


class StoreFeed(ABC):
    """The records of one store that match, as lines of JSON, from a position on. Subclasses open the store.

    All methods raise CommandError and StoreError.
    """

    def __init__(self, name: object, matching: FeedFilter, after: Cursor | Start) -> None:
        """`name` is that of the store in errors."""
        self._name = name
        self._matching = matching
        self._after = after

    @abstractmethod
    def _listings(self) -> contextlib.AbstractContextManager[Listings]:
        """Listings for one read. Raises ChangedError at its end when it has to be repeated."""

    def newest(self, number: int) -> list[bytes]:
        """The newest records, at most so many, of a bounded number of the newest events; `read` has those after."""
        while True:
            with contextlib.suppress(ChangedError), self._listings() as listings:
                found, after = self._newest(listings, number)
                break
        self._after = after
        return found

    def read(self) -> tuple[list[bytes], bool]:
        """The next records, and whether nothing follows them now."""
        while True:
            with contextlib.suppress(ChangedError), self._listings() as listings:
                page = self._page(listings, self._after)
                break
        self._after = page.cursor
        return page.records.splitlines(), page.is_last

    def _newest(self, listings: Listings, number: int) -> tuple[list[bytes], Cursor]:
        after = self._page(listings, Start.NOW).cursor

        def read(newest: int) -> Iterator[bytes]:
            nonlocal after
            page = self._page(listings, newest)
            yield from page.records.splitlines()
            while not page.is_last:
                page = self._page(listings, page.cursor)
                yield from page.records.splitlines()
            after = page.cursor

        return newest_records(number, read) if number else [], after

    def _page(self, listings: Listings, after: Position) -> FeedPage:
        page = listings.feed(self._matching, FeedRequest(after))
        if page.lost is not None:
            raise LostPositionError(
                f"Cannot go on in {self._name}: {LOST[page.lost]}; --after 0 begins with the oldest."
            )
        return page
