"""All parts of a server put together on a store. `trackd serve` and `trackd.http.embedding` share this."""

import contextlib
import logging
from collections.abc import Iterator
from typing import NamedTuple

from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.core.rules.ruleset import RuleSet
from trackd.http.app import Application, create_app
from trackd.http.backends import Backend, open_backend
from trackd.http.jobs import job_runner, with_jobs
from trackd.http.token_use import authenticator
from trackd.storage.errors import StoreError
from trackd.storage.store import Reads
from trackd.telemetry.versions import versions

log = logging.getLogger(__name__)


class Assembly(NamedTuple):
    application: Application
    tracker: Tracker
    store: Reads


@contextlib.contextmanager
def assemble(settings: Settings, rules: RuleSet) -> Iterator[Assembly]:
    """Open the store, and build the application on it; close the store at the end.

    The actors and the writer run only within `application.lifespan()`, in the running event loop. Raises StoreError
    when the store cannot be used, and at the end when it did not take all calls in time, or when a file is no longer
    where it was.
    """

    def make_tracker(backend: Backend) -> Tracker:
        return Tracker(
            backend.store,
            settings.actors,
            settings.limits,
            rules,
            make_writer=backend.make_writer,
            retention=settings.retention,
            sessions=settings.sessions,
            refusals=settings.refusals,
            make_lookups=backend.make_lookups,
        )

    with open_backend(settings, make_tracker) as (backend, tracker):
        store, listings, queries = backend.store, backend.listings, backend.queries
        guard = authenticator(tracker, store)
        application = create_app(settings, tracker, guard, store, listings, queries, versions())
        yield Assembly(with_jobs(application, job_runner(settings, tracker, store, queries)), tracker, store)
    if not tracker.writer_ended:
        raise StoreError("The disk did not take the last calls in time: they were answered 503.")
    tracker.dropped_events.log_totals()
    log.info("trackd stopped: every call that was answered is on disk")
