"""The feed of a PostgreSQL database, read as it grows, also while no server runs on it."""

import contextlib
import time
from collections.abc import Iterator

from trackd.cli.administration import check_driver
from trackd.cli.output import echo
from trackd.cli.store_feed import StoreFeed
from trackd.config.store_url import masked
from trackd.core.feed_cursor import Cursor
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, Start
from trackd.storage.listings import Listings

RETRY_S = 1.0


class DatabaseFeed(StoreFeed):
    """A context manager that closes the connections. While the database is away after a read, it is asked again."""

    def __init__(self, url: str, matching: FeedFilter, after: Cursor | Start) -> None:
        check_driver()
        from trackd.storage.postgres.read_only_database import ReadOnlyDatabase

        super().__init__(masked(url), matching, after)
        self._database = ReadOnlyDatabase(url)
        self._is_away = False

    def __enter__(self) -> "DatabaseFeed":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @contextlib.contextmanager
    def _listings(self) -> Iterator[Listings]:
        with self._database.errors():
            yield self._database.listings

    def read(self) -> tuple[list[bytes], bool]:
        try:
            found = super().read()
        except StoreError as error:
            if not self._is_away:
                echo(f"trackd: {str(error).rstrip('.')}; asking again until it answers.", err=True)
            self._is_away = True
            time.sleep(RETRY_S)
            return [], True
        self._is_away = False
        return found
