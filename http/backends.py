"""The store that the settings name, opened: a database file, or a PostgreSQL database."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from trackd.actors.loader import MakeLookups
from trackd.actors.tracker import MakeWriter, Tracker
from trackd.config.settings import Settings
from trackd.storage.errors import StoreError
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.side_files import leads_to_file, prepare
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store
from trackd.storage.workers.file_connections import FileConnections
from trackd.storage.workers.main import READER, WRITER, command, database_command
from trackd.storage.workers.query_pool import QueryProcess, QueryThreads
from trackd.storage.workers.writer_process import WriterProcess
from trackd.storage.writer import BatchWriter, Committed

POLL_S = 0.2  # for feeds: until one shows a commit of another node


class Backend(NamedTuple):
    """An open store, its lists, and its writer."""

    store: Store
    listings: Listings
    queries: QueryPool
    make_writer: MakeWriter
    make_lookups: MakeLookups | None = None
    """None for a store whose reads by key are there at once."""


Opened = contextlib.AbstractContextManager[tuple[Backend, Tracker]]
MakeTracker = Callable[[Backend], Tracker]


def open_backend(settings: Settings, make_tracker: MakeTracker) -> Opened:
    """Open the store, and close it at the end, when the tracker that is made for it has stopped.

    Raises StoreError when the store cannot be used, and at the end when a file is no longer where it was.
    """
    return _on_database(settings, make_tracker) if settings.store.url else _on_file(settings, make_tracker)


@contextlib.contextmanager
def _on_file(settings: Settings, make_tracker: MakeTracker) -> Iterator[tuple[Backend, Tracker]]:
    """Lock and open the database file. Raises DatabaseError when it cannot be used."""
    if not leads_to_file(settings.database.path):
        prepare(settings.database.path)  # the lock makes a missing file
    with DatabaseLock(settings.database.path, create=True) as lock:
        store = SqliteStore(settings.database.path, settings.database.synchronous)
        lock.note_log(settings.database.synchronous)
        listings = store.listings()
        queries = QueryProcess(_command(READER, settings, store), settings.limits.read_timeout_s)

        # The process inherits the lock: after a kill of the server the file is free once the last batch is written.
        def make_writer(_: Store, committed: Committed) -> BatchWriter:
            return WriterProcess(_command(WRITER, settings, store), committed, lock.descriptors, connections)

        backend = Backend(store, listings, queries, make_writer)
        tracker = make_tracker(backend)
        connections = FileConnections(store, listings, queries, tracker.store_closed, tracker.tally)
        try:
            store.check_writable()
            yield backend, tracker
        finally:
            connections.end(keep_log=not tracker.writer_ended)


@contextlib.contextmanager
def _on_database(settings: Settings, make_tracker: MakeTracker) -> Iterator[tuple[Backend, Tracker]]:
    """Connect to the PostgreSQL database. Raises StoreError when it cannot be used."""
    try:
        from trackd.storage.postgres.lookups import PostgresLookups
        from trackd.storage.postgres.store import PostgresStore
        from trackd.storage.workers.database_writer import url_for_processes
    except ImportError as error:  # psycopg is not always installed, or not with its library
        raise StoreError(f"A store on PostgreSQL needs psycopg ({error}): install trackd[postgres].") from error
    with contextlib.ExitStack() as stack:
        try:
            store = stack.enter_context(contextlib.closing(PostgresStore(settings.store.url)))
            store.check_writable()
        except StoreError as error:
            raise StoreError(f"The server cannot start: {error}.") from error
        listings = stack.enter_context(contextlib.closing(store.listings()))
        descriptor = stack.enter_context(url_for_processes(settings.store.url))
        writer = database_command(descriptor, settings.log.level, settings.log.format)

        def make_writer(_: Store, committed: Committed) -> BatchWriter:
            return WriterProcess(writer, committed, [descriptor])

        make_lookups = functools.partial(PostgresLookups, settings.store.url)
        backend = Backend(store, listings, QueryThreads(listings), make_writer, make_lookups)
        tracker = make_tracker(backend)
        tracker.commits.poll_s = POLL_S
        stack.enter_context(store.listening(tracker.tally.count_reconnect))
        yield backend, tracker


def _command(kind: str, settings: Settings, store: SqliteStore) -> list[str]:
    database, logs, identity = settings.database, settings.log, store.files.identity
    return command(kind, database.path, database.synchronous, logs.level, logs.format, identity)
