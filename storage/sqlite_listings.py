"""Lists from an SQLite file. Each page is one row, put together by SQLite, from as few statements as possible.

Python's SQLite module lets go of the GIL for each statement and each row, and beside other threads it takes up to a
switch interval to have it back: a page of 1,000 rows could take seconds.
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pysqlite3 as sqlite3

from trackd.storage.chain import walk
from trackd.storage.connection import Connection, connect, explained
from trackd.storage.documents import timestamp
from trackd.storage.listings import EventsWanted, Page, ProfilesWanted, Wanted
from trackd.storage.store import StoreError

MAX_EXAMINED = 10_000  # rows that one page looks at: about 20 ms
SLACK_S = 1  # numbers follow the times of arrival, but for calls that were sent to their actor again

# What another tool wrote may be no JSON: it spoils its own field only.
EVENT = """
json_object(
    'id', id, 'seq', seq, 'type', type, 'profile', json_object('id', profile_id),
    'session', json_object('id', session_id), 'source', json_object('id', source_id),
    'metadata', json_object('time', json_object('create', created, 'insert', inserted), 'status', status, 'ip', ip,
        'reasons', iif(json_valid(reasons), json(reasons), json_array())),
    'properties', iif(json_valid(properties), json(properties), NULL),
    'context', iif(json_valid(context), json(context), NULL), 'config', iif(json_valid(config), json(config), NULL),
    'tags', iif(json_valid(tags), json(tags), NULL))
"""
SESSION = """
json_object('id', id, 'profile', json_object('id', profile_id),
    'metadata', json_object('time', json_object('insert', inserted, 'update', updated,
        'duration', round((julianday(updated) - julianday(inserted)) * 86400, 3))),
    'context', iif(json_valid(context), json(context), NULL),
    'properties', iif(json_valid(properties), json(properties), NULL))
"""
# Each page is one statement with one row: its documents as a JSON array, and where the next begins. One document more
# than the page holds is looked for, that is where.
PROFILE = """(
    SELECT coalesce((SELECT id FROM profile WHERE id = :profile),
                    (SELECT id FROM profile WHERE id = (SELECT into_id FROM merged WHERE id = :profile)))
)"""
PROFILE_EVENTS = f"""
{walk(PROFILE, start=f"coalesce(:cursor, (SELECT last_event FROM profile WHERE id = {PROFILE}))", depth=":limit + 1")}
SELECT (SELECT json_group_array({EVENT} ORDER BY number DESC) FROM event
        WHERE number IN (SELECT number FROM walk LIMIT :limit)),
       iif((SELECT count(*) FROM walk) > :limit, (SELECT min(number) FROM walk), NULL)
WHERE {PROFILE} IS NOT NULL
"""
PROFILE_SESSIONS = f"""
WITH page (number) AS (
    SELECT rowid FROM session WHERE profile_id = {PROFILE} AND rowid <= :start ORDER BY rowid DESC LIMIT :limit + 1)
SELECT (SELECT json_group_array({SESSION} ORDER BY rowid DESC) FROM session
        WHERE rowid IN (SELECT number FROM page LIMIT :limit)),
       iif((SELECT count(*) FROM page) > :limit, (SELECT min(number) FROM page), NULL)
WHERE {PROFILE} IS NOT NULL
"""
# An event that is older than the session is the end: nothing of the session comes before it.
OF_SESSION = "(SELECT profile_id FROM session WHERE id = :session)"
SESSION_EVENTS = f"""
{
    walk(
        OF_SESSION,
        start=f"coalesce(:cursor, (SELECT last_event FROM profile WHERE id = {OF_SESSION}))",
        depth=":depth + 1",
        counted="(event.session_id = :session)",
        most=":limit",
    )
},
page (number) AS (
    SELECT number FROM walk JOIN event USING (number) WHERE session_id = :session ORDER BY number DESC LIMIT :limit + 1)
SELECT (SELECT json_group_array({EVENT} ORDER BY number DESC) FROM event
        WHERE number IN (SELECT number FROM page LIMIT :limit)),
       CASE WHEN (SELECT count(*) FROM page) > :limit THEN (SELECT min(number) FROM page)
            WHEN (SELECT count(*) FROM walk) > :depth THEN (
                SELECT number FROM event WHERE number = (SELECT min(number) FROM walk)
                AND inserted >= (SELECT inserted FROM session WHERE id = :session)) END
WHERE {OF_SESSION} IS NOT NULL
"""
EVENTS = f"""
SELECT json_group_array({EVENT} ORDER BY number DESC), count(*), min(number) FROM (SELECT * FROM event
    WHERE number <= :start AND number > :floor AND (:type IS NULL OR type = :type)
    AND (:source IS NULL OR source_id = :source) AND (:status IS NULL OR status = :status)
    AND (:after IS NULL OR inserted >= :after) AND (:before IS NULL OR inserted < :before)
    ORDER BY number DESC LIMIT :limit)
"""
# Most documents without a segment do not have its name in them: to look for the text takes a tenth of reading them.
PROFILES = """
SELECT json_group_array(json(doc) ORDER BY number DESC), count(*), min(number) FROM (
    SELECT rowid AS number, doc FROM profile WHERE rowid <= :start AND rowid > :floor
    AND (:segment IS NULL OR instr(doc, json_quote(:segment)))
    AND json_valid(doc) AND (:segment IS NULL OR :segment IN (SELECT value FROM json_each(doc, '$.segments')))
    AND (:public IS NULL OR iif(:value IS NULL,
        coalesce(doc -> :public, doc -> :private) IS NOT NULL,
        :value IN (doc -> :public, doc ->> :public, doc -> :private, doc ->> :private)))
    AND (:seen_after IS NULL OR doc ->> '$.metadata.time.update' >= :seen_after)
    ORDER BY rowid DESC LIMIT :limit)
"""
# Both in one SELECT would read the whole table.
FIRST_AND_NEWEST = "SELECT (SELECT min(number) FROM event), (SELECT max(number) FROM event)"
# The first number whose event arrived at that time or later, by halving: there is no index on times.
EARLIER = "(SELECT inserted < :time FROM event WHERE number >= (low + high) / 2 ORDER BY number LIMIT 1)"
ARRIVED = f"""
WITH RECURSIVE between_numbers (low, high) AS (
    SELECT coalesce((SELECT min(number) FROM event), 0), coalesce((SELECT max(number) FROM event), 0) + 1
    UNION ALL
    SELECT iif({EARLIER}, (low + high) / 2 + 1, low), iif({EARLIER}, high, (low + high) / 2)
    FROM between_numbers WHERE low < high
)
SELECT max(low) FROM between_numbers
"""
COUNTS = {kind: f"SELECT count(*) FROM {kind}" for kind in ("profile", "session", "event")}


class SqliteListings:
    """See `Listings`. Reads the file on connections of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Connection] = []
        with explained(path):
            self._by_key = connect(path, mode="ro")  # nobody waits for it

    def close(self) -> None:
        """Once no read is under way."""
        for connection in (self._by_key, *self._idle):
            connection.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        """A connection. What is read in several statements must bear what is committed between them."""
        try:
            connection = self._connection()
            try:
                yield connection
            finally:
                self._idle.append(connection)
        except sqlite3.Error as error:
            raise StoreError(f"cannot read: {error}") from error

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:  # as many as there are threads
            return connect(self._path, mode="ro")

    def session(self, session_id: str) -> str | None:
        return self._document(f"SELECT {SESSION} FROM session WHERE id = ?", session_id)

    def event(self, event_id: str) -> str | None:
        return self._document(f"SELECT {EVENT} FROM event WHERE id = ? ORDER BY number DESC LIMIT 1", event_id)

    def _document(self, sql: str, key: str) -> str | None:
        try:
            row = self._by_key.execute(sql, (key,)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"cannot read: {error}") from error
        return row[0] if row else None

    def profile_events(self, profile_id: str, wanted: Wanted) -> Page | None:
        return self._page(PROFILE_EVENTS, wanted, profile=profile_id, cursor=wanted.cursor)

    def profile_sessions(self, profile_id: str, wanted: Wanted) -> Page | None:
        return self._page(PROFILE_SESSIONS, wanted, profile=profile_id, start=_start(wanted))

    def session_events(self, session_id: str, wanted: Wanted) -> Page | None:
        return self._page(SESSION_EVENTS, wanted, session=session_id, cursor=wanted.cursor, depth=MAX_EXAMINED)

    def _page(self, sql: str, wanted: Wanted, **parameters: Any) -> Page | None:
        with self._reading() as db:
            row = db.execute(sql, {**parameters, "limit": wanted.limit}).fetchone()
            return Page(*row) if row else None

    def events(self, which: EventsWanted, wanted: Wanted) -> Page:
        with self._reading() as db:
            first, newest = db.execute(FIRST_AND_NEWEST).fetchone()
            start = min(_start(wanted), newest or 0)
            lowest = (first or 1) - 1
            if which.before is not None:
                start = min(start, _arrived(db, which.before, SLACK_S) - 1)
            if which.after is not None:
                lowest = max(lowest, _arrived(db, which.after, -SLACK_S) - 1)
            filters = {name: getattr(which, name) for name in which.__struct_fields__}
            return _search(db, EVENTS, filters, (start, lowest), wanted.limit)

    def profiles(self, which: ProfilesWanted, wanted: Wanted) -> Page:
        with self._reading() as db:
            newest = db.execute("SELECT max(rowid) FROM profile").fetchone()[0] or 0
            filters = {
                "segment": which.segment,
                "public": _path("public", which.trait),
                "private": _path("private", which.trait),
                "value": which.value,
                "seen_after": which.seen_after,
            }
            return _search(db, PROFILES, filters, (min(_start(wanted), newest), 0), wanted.limit)

    def count(self, kind: str) -> int:
        with self._reading() as db:
            number: int = db.execute(COUNTS[kind]).fetchone()[0]
            return number


def _start(wanted: Wanted) -> int:
    return 2**62 if wanted.cursor is None else wanted.cursor


def _search(db: Any, sql: str, filters: Mapping[str, Any], numbers: tuple[int, int], limit: int) -> Page:
    """Look through the rows from the first number down to (not including) the second, as far as one page may."""
    start, lowest = numbers
    floor = max(start - MAX_EXAMINED, lowest)
    documents, count, last = db.execute(sql, {**filters, "start": start, "floor": floor, "limit": limit}).fetchone()
    below = last - 1 if count == limit else floor
    return Page(documents, below if below > lowest else None)


def _arrived(db: Any, time: str, slack_s: int) -> int:
    with contextlib.suppress(OverflowError):
        time = timestamp(datetime.fromisoformat(time) + timedelta(seconds=slack_s))
    number: int = db.execute(ARRIVED, {"time": time}).fetchone()[0]
    return number


def _path(part: str, trait: tuple[str, ...] | None) -> str | None:
    return None if trait is None else f"$.traits.{part}" + "".join(f'."{key}"' for key in trait)
