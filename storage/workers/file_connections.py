"""The connections to the database file that the server has beside its writer process."""

import asyncio
import logging
from collections.abc import Callable

from trackd.storage.errors import StoreError
from trackd.storage.sqlite.connection import LONG_LOG_PAGES, PAGE_BYTES
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.log_renewal import is_log_in_use
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.query_pool import QueryProcess
from trackd.telemetry.tally import Tally

log = logging.getLogger(__name__)

OTHERS_TIMEOUT_S = 10.0
POLL_S = 0.05


class FileConnections:
    """See `OtherConnections`. `on_change` is called with True when they are closed, and with False when they are open.

    Counts the failures of the disk in `tally`.
    """

    def __init__(
        self,
        store: SqliteStore,
        listings: SqliteListings,
        queries: QueryProcess,
        on_change: Callable[[bool], None],
        tally: Tally,
    ) -> None:
        self._store = store
        self._listings = listings
        self._queries = queries
        self._on_change = on_change
        self._tally = tally
        self._are_closed = False

    def close(self) -> None:
        self._tally.disk_failures += 1
        if not self._are_closed:
            self._are_closed = True
            self._on_change(True)
            self._listings.close()
            self._store.close_and_keep_log()

    async def closed(self) -> None:
        await self._queries.pause()
        await asyncio.to_thread(self._store.end_checks)
        deadline = asyncio.get_running_loop().time() + OTHERS_TIMEOUT_S
        while is_log_in_use(self._store.path):
            if asyncio.get_running_loop().time() > deadline:
                raise StoreError(
                    f"another program has {self._store.path} open, and after a failed fsync nothing can be written "
                    "before it has closed the file: end it"
                )
            await asyncio.sleep(POLL_S)

    def reopen(self) -> None:
        try:
            self._store.reopen()
            self._listings.reopen()
        except StoreError:
            self._store.close_and_keep_log()
            raise
        self._queries.resume()
        self._are_closed = False
        self._on_change(False)

    def end(self, *, keep_log: bool) -> None:
        """Close them for good. The log is copied into the file, unless `keep_log`, and unless the disk has failed.

        A long one is kept too: a writer process that ended in order has copied it, and one that was stopped while it
        started would take as long here. Raises StoreError, also when the file is known to be damaged.
        """
        if self._are_closed:
            log.warning("the write-ahead log stays beside the file and belongs to it")
            return
        self._listings.close()
        if keep_log or self._store.sizes()["wal"] > LONG_LOG_PAGES * PAGE_BYTES:
            self._store.close_and_keep_log()
        else:
            self._store.close()
        self._store.check_sound()
