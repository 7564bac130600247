"""What tests share: servers, payloads, and a look into the file."""

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pysqlite3 as sqlite3  # one SQLite in one process: two would let go of each other's locks
from starlette.routing import Route

from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Token, TokenScope, secret_hash
from trackd.core.rules.ruleset import RuleSet
from trackd.http.app import create_app, routes
from trackd.http.authentication import Authenticator
from trackd.http.errors import ErrorAnswers
from trackd.http.rules_loading import load_rules
from trackd.http.server.server import Server, listen
from trackd.http.track.endpoint import TrackEndpoint
from trackd.storage.listings import Listings, QueryPool
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store
from trackd.storage.workers.query_pool import QueryThreads
from trackd.telemetry.versions import versions

TRACKD = Path(sys.executable).with_name("trackd")
SOURCE_ID = "test-source"
ADMIN_SECRET = "trackd_of-the-tests"
ADMIN = Token("of the tests", secret_hash(ADMIN_SECRET), (TokenScope.ADMIN,))


class Process:
    """A running `trackd serve`. `token` is the secret that it made, empty when it made none."""

    def __init__(self, db: Path, process: subprocess.Popen[str]) -> None:
        self.db = db
        self.process = process
        self.greeting: list[str] = []
        self.token = ""
        for line in iter(self._stdout.readline, ""):
            self.greeting.append(line)
            if match := re.search(r"Bearer (trackd_[\w-]+)", line):
                self.token = match[1]
            if match := re.search(r"is ready at (\S+),", line):
                self.url = match[1]
                return
        raise RuntimeError(f"trackd did not start: {process.stderr and process.stderr.read()}")

    @property
    def _stdout(self) -> Any:
        assert self.process.stdout is not None
        return self.process.stdout

    def writer_pid(self) -> int:
        """The pid of the process that commits."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        (pid,) = [pid for pid in children.split() if b"\0writer\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return int(pid)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, or kill it; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


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
    holds beside those of the store.
    """
    settings = settings or Settings()
    rules = rules or load_rules("", settings.limits)
    tracker = Tracker(store, settings.actors, settings.limits, rules, retention=settings.retention)
    listening = listen("127.0.0.1", 0)
    guard = Authenticator(lambda: [*store.tokens(), *([ADMIN] if admin else [])])
    listings = store.listings() if isinstance(store, SqliteStore) else None
    lists = QueryThreads(cast(Listings, listings))
    app = create_app(settings, tracker, guard, store, cast(Listings, listings), lists, versions())
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
        if listings is not None:
            listings.close()
        store.close()


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
    )


def bearer(secret: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {secret}"}


def payload(
    session: str, *types: str, profile: str | None = None, source: str = SOURCE_ID, **more: Any
) -> dict[str, Any]:
    """A tracker payload with an event of each type."""
    named = {"profile": {"id": profile}} if profile else {}
    events = [{"type": event_type} for event_type in types]
    return {"source": {"id": source}, "session": {"id": session}, "events": events, **named, **more}


def rows(db: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, parameters)]


def execute(db: Path, sql: str, *parameters: Any) -> None:
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(sql, parameters)
