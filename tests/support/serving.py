"""The application on a real socket, in the event loop of the test."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.routing import Route

from tests.support.payloads import bearer
from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits, Settings
from trackd.config.settings import Server as ServerSettings
from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.core.rules.ruleset import RuleSet
from trackd.http.app import create_app
from trackd.http.authentication import Authenticator
from trackd.http.errors import ErrorAnswers
from trackd.http.feed.endpoint import FeedEndpoint
from trackd.http.routes import routes
from trackd.http.rules_loading import load_rules
from trackd.http.server.listening import listen
from trackd.http.server.server import STOP_SIGNALS, Server
from trackd.http.track.endpoint import TrackEndpoint
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.memory import MemoryStore
from trackd.storage.postgres.lookups import PostgresLookups
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store
from trackd.storage.workers.query_pool import QueryThreads
from trackd.telemetry.versions import versions

ADMIN_SECRET = "trackd_of-the-tests"
ADMIN = Token("of the tests", secret_hash(ADMIN_SECRET), (TokenScope.ADMIN,))


@cache
def default_rules(limits: Limits) -> RuleSet:
    """Those of the default file; as all rules they never change."""
    return load_rules("", limits)


@contextlib.asynccontextmanager
async def serving(
    store: Store,
    settings: Settings | None = None,
    connections: int = 64,
    rules: RuleSet | None = None,
    admin: bool = False,
) -> AsyncIterator[httpx.AsyncClient]:
    """The application on a real socket in this event loop, and a client for it. Closes the store.

    Without `rules` those of the default file are in force. With `admin` the client sends the token `ADMIN`, which
    is valid besides those of the store.
    """
    settings = settings or Settings()
    rules = rules or default_rules(settings.limits)
    tracker = Tracker(
        store,
        settings.actors,
        settings.limits,
        rules,
        retention=settings.retention,
        sessions=settings.sessions,
        refusals=settings.refusals,
        make_lookups=partial(PostgresLookups, store.url) if isinstance(store, PostgresStore) else None,
    )
    notices = store.listening() if isinstance(store, PostgresStore) else contextlib.nullcontext()
    notices.__enter__()
    [listening] = listen(["127.0.0.1"], 0)
    guard = Authenticator(lambda: [*store.tokens(), *([ADMIN] if admin else [])])
    listings = store.listings() if isinstance(store, SqliteStore | PostgresStore) else None
    lists = QueryThreads(cast(Listings, listings))
    app = create_app(settings, tracker, guard, store, cast(Listings, listings), lists, versions())
    handlers = _handlers()
    server = Server(app, settings.server, tracker.refuse_calls, limits=settings.limits)
    started = asyncio.Event()
    server.on_started = started.set
    task = asyncio.create_task(server.serve([listening]))
    await started.wait()
    url = "http://{}:{}".format(*listening.getsockname())
    try:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        headers = bearer(ADMIN_SECRET) if admin else {}
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, headers=headers) as client:
            yield client
    finally:
        server.should_exit = True
        await task
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if listings is not None:
            listings.close()
        notices.__exit__(None, None, None)
        store.close()


@cache
def _handlers() -> Mapping[int, Any]:
    """The handlers of signals before the first server: one that ends leaves its signals ignored."""
    return {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGHUP)}


def serving_file(
    db: Path | str, *, admin: bool = True, **limits: Any
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """`serving` on a file, or a PostgreSQL database, that answers each call as soon as it is committed."""
    store = SqliteStore(db) if isinstance(db, Path) else PostgresStore(db)
    return serving(store, Settings(server=ServerSettings(drain_ms=0), limits=Limits(**limits)), admin=admin)


def application_routes() -> list[Route]:
    """The routes of an application that was never started."""
    tracker = Tracker(MemoryStore())
    track = TrackEndpoint(tracker, Limits(), ErrorAnswers())
    return routes(
        track,
        tracker,
        Authenticator(list),
        MemoryStore(),
        cast(Listings, None),
        cast(QueryPool, None),
        {"version": "1.2.3"},
        FeedEndpoint(tracker, cast(Listings, None), cast(QueryPool, None), 1),
    )
