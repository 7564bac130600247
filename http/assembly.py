"""All parts of a server put together on a database file. `trackd serve` and `trackd.http.embedding` share this."""

import contextlib
import logging
from collections.abc import Iterator
from typing import NamedTuple

from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.core.rules.ruleset import RuleSet
from trackd.http.app import Application, create_app
from trackd.http.jobs import job_runner, with_jobs
from trackd.http.token_use import authenticator
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.side_files import leads_to_file, prepare
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.file_connections import FileConnections
from trackd.storage.workers.main import READER, WRITER, command
from trackd.storage.workers.query_pool import QueryProcess
from trackd.storage.workers.writer_process import WriterProcess
from trackd.telemetry.versions import versions

log = logging.getLogger(__name__)


class Assembly(NamedTuple):
    application: Application
    tracker: Tracker
    store: SqliteStore


@contextlib.contextmanager
def assemble(settings: Settings, rules: RuleSet) -> Iterator[Assembly]:
    """Lock and open the database file, and build the application on it; close the file at the end.

    The actors and the writer process run only within `application.lifespan()`, in the running event loop. Raises
    DatabaseError when the file cannot be used, and StoreError at the end when the disk did not take all calls in time,
    or when the file is no longer where it was.
    """
    if not leads_to_file(settings.database.path):
        prepare(settings.database.path)  # the lock makes a missing file
    with DatabaseLock(settings.database.path, create=True) as lock:
        store = SqliteStore(settings.database.path, settings.database.synchronous)
        lock.note_log(settings.database.synchronous)
        listings = store.listings()
        queries = QueryProcess(_command(READER, settings, store), settings.limits.read_timeout_s)
        tracker = Tracker(
            store,
            settings.actors,
            settings.limits,
            rules,
            # The process inherits the lock: after a kill of the server the file is free once the last batch is written.
            make_writer=lambda _, committed: WriterProcess(
                _command(WRITER, settings, store), committed, lock.descriptors, connections
            ),
            retention=settings.retention,
            sessions=settings.sessions,
            refusals=settings.refusals,
        )
        connections = FileConnections(store, listings, queries, tracker.store_closed, tracker.tally)
        guard = authenticator(tracker, store)
        try:
            store.check_writable()
            application = create_app(settings, tracker, guard, store, listings, queries, versions())
            yield Assembly(with_jobs(application, job_runner(settings, tracker, store, queries)), tracker, store)
        finally:
            connections.end(keep_log=not tracker.writer_ended)
    if not tracker.writer_ended:
        raise StoreError("The disk did not take the last calls in time: they were answered 503.")
    tracker.dropped_events.log_totals()
    log.info("trackd stopped: every call that was answered is on disk")


def _command(kind: str, settings: Settings, store: SqliteStore) -> list[str]:
    database, logs, identity = settings.database, settings.log, store.files.identity
    return command(kind, database.path, database.synchronous, logs.level, logs.format, identity)
