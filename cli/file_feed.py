"""The feed of a database file, read as it grows, also while no server runs on it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trackd.cli.errors import CommandError, naming
from trackd.cli.newest_records import LostPositionError, newest_records
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest, Lost, Start
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.read_only_file import FileChangedError, ReadOnlyFile

LOST = {
    Lost.DELETED: "the retention has deleted events that followed this position",
    Lost.REPLACED: "a backup was restored that lacks the records up to this position",
    Lost.AHEAD: "this position is ahead of all that is stored",
    Lost.FOREIGN: "this position is of another database",
}


class FileFeed:
    """The records of one file that match, as lines of JSON, from a position on.

    The file is opened for each read, so it may be replaced or used by another server meanwhile. All methods raise
    CommandError and DatabaseError.
    """

    def __init__(self, path: Path, matching: FeedFilter, after: Cursor | Start) -> None:
        self._path = path
        self._matching = matching
        self._after = after

    def newest(self, number: int) -> list[bytes]:
        """The newest records, at most so many, of a bounded number of the newest events; `read` has those after."""
        while True:
            with contextlib.suppress(FileChangedError), _listings(self._path) as listings:
                found, after = self._newest(listings, number)
                break
        self._after = after
        return found

    def read(self) -> tuple[list[bytes], bool]:
        """The next records, and whether nothing follows them now."""
        while True:
            with contextlib.suppress(FileChangedError), _listings(self._path) as listings:
                page = self._page(listings, self._after)
                break
        self._after = page.cursor
        return page.records.splitlines(), page.is_last

    def _newest(self, listings: SqliteListings, number: int) -> tuple[list[bytes], Cursor]:
        after = head = self._page(listings, Start.NOW).cursor

        def read(start: Cursor | Start) -> Iterator[bytes]:
            nonlocal after
            page = self._page(listings, start)
            yield from page.records.splitlines()
            while not page.is_last:
                page = self._page(listings, page.cursor)
                yield from page.records.splitlines()
            after = page.cursor

        return newest_records(head, number, read), after

    def _page(self, listings: SqliteListings, after: Cursor | Start) -> FeedPage:
        page = listings.feed(self._matching, FeedRequest(after))
        if page.lost is not None:
            raise LostPositionError(
                f"Cannot go on in {self._path}: {LOST[page.lost]}; --after 0 begins with the oldest."
            )
        return page


@contextlib.contextmanager
def _listings(path: Path) -> Iterator[SqliteListings]:
    """Listings of a file that is only read. Raises DatabaseError, FileChangedError when what was read may be wrong."""
    with ReadOnlyFile(path, older="refuse") as file, contextlib.closing(SqliteListings(path, file.connect)) as listings:
        try:
            with naming(path):
                yield listings
        except CommandError:
            file.check_unchanged()
            raise
        file.check_unchanged()
