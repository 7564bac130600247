"""The feed of a database file, read as it grows, also while no server runs on it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trackd.cli.errors import CommandError, naming
from trackd.cli.store_feed import ChangedError, StoreFeed
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import FeedFilter, Start
from trackd.storage.listings import Listings
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.read_only_file import FileChangedError, ReadOnlyFile


class FileFeed(StoreFeed):
    """The file is opened for each read, so it may be replaced or used by another server meanwhile."""

    def __init__(self, path: Path, matching: FeedFilter, after: Cursor | Start) -> None:
        super().__init__(path, matching, after)
        self._path = path

    @contextlib.contextmanager
    def _listings(self) -> Iterator[Listings]:
        try:
            with (
                ReadOnlyFile(self._path, older="refuse") as file,
                contextlib.closing(SqliteListings(self._path, file.connect)) as listings,
            ):
                try:
                    with naming(self._path):
                        yield listings
                except CommandError:
                    file.check_unchanged()
                    raise
                file.check_unchanged()
        except FileChangedError as error:
            raise ChangedError from error
