"""Lookups in a PostgreSQL database, on the event loop, with a connection of their own: see storage/lookups.py.

A lookup is one round trip, whatever it looks for. One that takes longer than TIMEOUT_S is given up. Its statements are
one transaction, which sees one moment: a session whose owner is absent is one whose owner was erased.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg

from trackd.core.documents import FirstCopy, tombstone
from trackd.storage.errors import StoreError
from trackd.storage.lookups import KnownEvent, Loaded, Wanted
from trackd.storage.postgres.connection import BY_INDEX, Row, connect_async, reason_of, set_up_async
from trackd.storage.postgres.rows import PROFILE, SESSION, profile_of, session_of
from trackd.storage.postgres.texts import packed, unpacked

TIMEOUT_S = 5.0
ONE_MOMENT = f"{BY_INDEX}; SET default_transaction_isolation = 'repeatable read'"
# Each row is looked up by an index: a lateral query with a LIMIT is not made a join of whole tables, and a range of
# pairs is one of the index with both columns.
PROFILES = f"""
WITH named AS (
    SELECT unnest(%(profiles)b::text[]) AS id
    UNION SELECT profile_id FROM session WHERE id = ANY(%(sessions)b)
)
SELECT named.id, found.* FROM named LEFT JOIN LATERAL (
    SELECT {PROFILE} FROM profile WHERE profile.id = named.id
    UNION ALL SELECT {PROFILE} FROM merged JOIN profile ON profile.id = into_id WHERE merged.id = named.id
    LIMIT 1
) AS found ON true
"""
SESSIONS = f"SELECT {SESSION} FROM session WHERE id = ANY(%(sessions)b)"
EVENTS = """
WITH given AS (
    SELECT profile_id, id FROM unnest(%(profiles)b::text[], %(ids)b::text[]) AS pair (profile_id, id)
    UNION SELECT session.profile_id, owned.id
    FROM unnest(%(sessions)b::text[], %(owned)b::text[]) AS owned (session_id, id)
    JOIN session ON session.id = session_id
)
SELECT living.id, given.id, stored.is_known IS NOT NULL, stored.seq, first.type, first.source_id, first.status
FROM given
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT into_id FROM merged WHERE merged.id = given.profile_id), given.profile_id) AS id
) AS living
LEFT JOIN LATERAL (
    SELECT true AS is_known, seq FROM event_id WHERE event_id.profile_id = living.id AND event_id.id = given.id LIMIT 1
) AS stored ON true
LEFT JOIN LATERAL (
    SELECT type, source_id, status FROM event
    WHERE stored.seq IS NOT NULL
    AND (event.id, event.profile_id) >= (given.id, living.id) AND (event.id, event.profile_id) <= (given.id, living.id)
    ORDER BY number + 0 LIMIT 1
) AS first ON true
"""
ERASED = "SELECT hash FROM erased WHERE hash = ANY(%(hashes)b)"


class PostgresLookups:
    """See `Lookups`. It connects for the first lookup, and once more after the connection was lost."""

    def __init__(self, url: str, looked_up: Callable[[Loaded | StoreError], None]) -> None:
        self._url = url
        self._looked_up = looked_up
        self._connection: psycopg.AsyncConnection[Row] | None = None
        self._is_set_up = False
        self._connecting: asyncio.Task[psycopg.AsyncConnection[Row]] | None = None  # may outlive its lookup
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def submit(self, wanted: Wanted) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(wanted))

    def close(self) -> None:
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._task is None or self._task.done():
            self._close_connection()
        else:
            self._task.add_done_callback(self._close_connection)
            self._task.cancel()

    def _close_connection(self, _: object = None) -> None:
        if self._connection is not None:
            self._connection.pgconn.finish()

    async def _run(self, wanted: Wanted) -> None:
        result: Loaded | StoreError
        try:
            result = await self._load_in_time(wanted)
        except StoreError as error:
            result = error
        except psycopg.Error as error:
            result = StoreError(f"cannot read: {reason_of(error)}")
        except (TypeError, ValueError, AttributeError, LookupError) as error:  # another tool wrote a row
            result = StoreError(f"cannot read: a row has another form ({type(error).__name__})")
        if not self._is_closed:
            self._looked_up(result)

    async def _load_in_time(self, wanted: Wanted) -> Loaded:
        loading = asyncio.ensure_future(self._load_again(wanted))
        loading.add_done_callback(_heed)
        try:
            await asyncio.wait({loading}, timeout=TIMEOUT_S)
            if loading.done():
                return loading.result()
            raise StoreError("cannot read: the database does not answer")
        finally:
            if not loading.done():
                loading.cancel()
                await asyncio.wait({loading})  # until it watches no connection

    async def _load_again(self, wanted: Wanted) -> Loaded:
        """Load, once more when the connection was lost before. Raises StoreError and errors of psycopg."""
        connection = self._connection
        if connection is not None and not connection.closed and self._is_set_up:
            try:
                return await _load(connection, wanted)
            except psycopg.Error:
                if not connection.closed:
                    raise
        if self._is_closed:
            raise StoreError("the lookup was given up")
        if connection is None or connection.closed:
            connection = await self._connected()
        await set_up_async(connection, self._url, ONE_MOMENT)
        self._is_set_up = True
        return await _load(connection, wanted)

    async def _connected(self) -> psycopg.AsyncConnection[Row]:
        """Hosts of the URL that answer nothing may take longer than a lookup: the next one goes on with the task."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(_heed)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> psycopg.AsyncConnection[Row]:
        self._connection, self._is_set_up = await connect_async(self._url), False
        return self._connection


def _heed(task: "asyncio.Task[Any]") -> None:
    """Nobody may wait for it any more: asyncio would log its error."""
    if not task.cancelled():
        task.exception()


async def _load(connection: psycopg.AsyncConnection[Row], wanted: Wanted) -> Loaded:
    sessions, hashes = [*wanted.sessions], {tombstone(profile_id): profile_id for profile_id in wanted.erased}
    statements: dict[str, dict[str, Any]] = {}
    if sessions or wanted.profiles:
        statements[PROFILES] = {"profiles": [*wanted.profiles], "sessions": sessions}
    if sessions:
        statements[SESSIONS] = {"sessions": sessions}
    if wanted.events or wanted.owned:
        profiles, ids = _columns(wanted.events)
        owners, owned = _columns(wanted.owned)
        statements[EVENTS] = {"profiles": profiles, "ids": ids, "sessions": owners, "owned": owned}
    if hashes:
        statements[ERASED] = {"hashes": [*hashes]}
    rows = dict(zip(statements, await _run(connection, statements), strict=True))
    loaded = Loaded(sessions=dict.fromkeys(sessions), erased=dict.fromkeys(wanted.erased, False))
    for profile_id, *profile in rows.get(PROFILES, ()):
        loaded.profiles[profile_id] = None if profile[0] is None else profile_of(profile)
    for row in rows.get(SESSIONS, ()):
        loaded.sessions[row[0]] = session_of(row)
    for profile_id, event_id, is_known, seq, *first in rows.get(EVENTS, ()):
        copy = None if first[0] is None else FirstCopy(*first)
        loaded.events[profile_id, event_id] = KnownEvent(seq, copy) if is_known else None
    for (found,) in rows.get(ERASED, ()):
        loaded.erased[hashes[found]] = True
    return loaded


async def _run(connection: psycopg.AsyncConnection[Row], statements: dict[str, dict[str, Any]]) -> list[list[Row]]:
    """The rows of each statement, in one round trip: statements of a pipeline are one transaction."""
    async with connection.pipeline():
        cursors = [await connection.execute(sql.encode(), packed(given)) for sql, given in statements.items()]
    return [[unpacked(row) for row in await cursor.fetchall()] for cursor in cursors]


def _columns(pairs: set[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [first for first, _ in pairs], [second for _, second in pairs]
