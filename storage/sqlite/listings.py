"""Lists from an SQLite file, a page at a time, with what it takes to find the page after it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pysqlite3 as sqlite3

from trackd.core.documents import Event, timestamp
from trackd.storage.errors import StoreError
from trackd.storage.listings import EventFilter, Page, PageRequest, ProfileFilter
from trackd.storage.sqlite.connection import Connection, connect, explained
from trackd.storage.sqlite.event_chain import walk
from trackd.storage.sqlite.row_documents import (
    EVENT_COLUMNS,
    SESSION_COLUMNS,
    Document,
    array,
    encoded,
    event_document,
    session_document,
)

MAX_EXAMINED = 10_000  # rows that one page looks at: about 20 ms
SESSION_ID, INSERTED = Event._fields.index("session_id"), Event._fields.index("inserted")
SLACK_S = 1  # numbers follow the times of arrival, but for calls that were sent to their actor again

# One document more than the page holds is looked for: that is where the next page begins.
PROFILE = """
SELECT id, last_event FROM profile WHERE id = :profile UNION ALL
SELECT id, last_event FROM profile WHERE id = (SELECT into_id FROM merged WHERE id = :profile) LIMIT 1
"""
PROFILE_EVENTS = f"""
{walk(":profile", start=":start", depth=":limit + 1")}
SELECT {EVENT_COLUMNS}, number FROM walk JOIN event USING (number) ORDER BY number DESC
"""
PROFILE_SESSIONS = f"""
SELECT {SESSION_COLUMNS}, rowid FROM session WHERE profile_id = :profile AND rowid <= :start
ORDER BY rowid DESC LIMIT :limit + 1
"""
PROFILE_OF_SESSION = """
SELECT profile.id, last_event, inserted FROM session LEFT JOIN profile ON profile.id = session.profile_id
WHERE session.id = ?
"""
SESSION_EVENTS = f"""
{
    walk(
        ":profile",
        start=":start",
        depth=":depth + 1",
        counted="(event.session_id = :session)",
        most=":limit",
    )
}
SELECT {EVENT_COLUMNS}, (SELECT count(*) FROM walk), number FROM walk JOIN event USING (number)
WHERE event.session_id = :session OR number = (SELECT min(number) FROM walk) ORDER BY number DESC
"""
EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM event
WHERE number <= :start AND number > :floor AND (:type IS NULL OR type = :type)
AND (:source IS NULL OR source_id = :source) AND (:status IS NULL OR status = :status)
AND (:after IS NULL OR inserted >= :after) AND (:before IS NULL OR inserted < :before)
ORDER BY number DESC LIMIT :limit
"""
# Most documents without a segment do not have its name in them: to look for the text takes a tenth of reading them.
PROFILES = """
SELECT doc, rowid FROM profile WHERE rowid <= :start AND rowid > :floor
AND (:segment IS NULL OR instr(doc, json_quote(:segment)))
AND json_valid(doc) AND (:segment IS NULL OR :segment IN (SELECT value FROM json_each(doc, '$.segments')))
AND (:public IS NULL OR iif(:value IS NULL,
    coalesce(doc -> :public, doc -> :private) IS NOT NULL,
    :value IN (doc -> :public, doc ->> :public, doc -> :private, doc ->> :private)))
AND (:seen_after IS NULL OR doc ->> '$.metadata.time.update' >= :seen_after)
ORDER BY rowid DESC LIMIT :limit
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
        row = self._row(f"SELECT {SESSION_COLUMNS} FROM session WHERE id = ?", session_id)
        return None if row is None else encoded(session_document(row)).decode()

    def event(self, event_id: str) -> str | None:
        row = self._row(f"SELECT {EVENT_COLUMNS} FROM event WHERE id = ? ORDER BY number DESC LIMIT 1", event_id)
        return None if row is None else encoded(event_document(row)).decode()

    def _row(self, sql: str, key: str) -> Any:
        try:
            return self._by_key.execute(sql, (key,)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"cannot read: {error}") from error

    def profile_events(self, profile_id: str, wanted: PageRequest) -> Page | None:
        with self._reading() as db:
            profile = db.execute(PROFILE, {"profile": profile_id}).fetchone()
            if profile is None:
                return None
            own_id, last = profile
            start = last if wanted.cursor is None else wanted.cursor
            rows = db.execute(PROFILE_EVENTS, {"profile": own_id, "start": start, "limit": wanted.limit}).fetchall()
            return _page(rows, event_document, wanted.limit)

    def profile_sessions(self, profile_id: str, wanted: PageRequest) -> Page | None:
        with self._reading() as db:
            profile = db.execute(PROFILE, {"profile": profile_id}).fetchone()
            if profile is None:
                return None
            asked = {"profile": profile[0], "start": _start(wanted), "limit": wanted.limit}
            return _page(db.execute(PROFILE_SESSIONS, asked).fetchall(), session_document, wanted.limit)

    def session_events(self, session_id: str, wanted: PageRequest) -> Page | None:
        """An event that is older than the session is the end: nothing of the session comes before it."""
        with self._reading() as db:
            session = db.execute(PROFILE_OF_SESSION, (session_id,)).fetchone()
            if session is None:
                return None
            profile_id, last, inserted = session
            start = last if wanted.cursor is None else wanted.cursor
            asked = {"profile": profile_id, "start": start, "session": session_id}
            rows = db.execute(SESSION_EVENTS, {**asked, "limit": wanted.limit, "depth": MAX_EXAMINED}).fetchall()
        of_session = [row for row in rows if row[SESSION_ID] == session_id]
        *_, walked, begins = rows[-1] if rows else (0, None)
        if walked <= MAX_EXAMINED or len(of_session) > wanted.limit:
            return _page(of_session, event_document, wanted.limit)
        page = _page([row for row in of_session if row[-1] != begins], event_document, wanted.limit)
        return Page(page.documents, begins if rows[-1][INSERTED] >= inserted else None)

    def events(self, which: EventFilter, wanted: PageRequest) -> Page:
        with self._reading() as db:
            first, newest = db.execute(FIRST_AND_NEWEST).fetchone()
            start = min(_start(wanted), newest or 0)
            lowest = (first or 1) - 1
            if which.before is not None:
                start = min(start, _arrived(db, which.before, SLACK_S) - 1)
            if which.after is not None:
                lowest = max(lowest, _arrived(db, which.after, -SLACK_S) - 1)
            filters = {name: getattr(which, name) for name in which.__struct_fields__}
            rows, following = _search(db, EVENTS, filters, (start, lowest), wanted.limit)
            return Page(encoded([event_document(row) for row in rows]), following)

    def profiles(self, which: ProfileFilter, wanted: PageRequest) -> Page:
        with self._reading() as db:
            newest = db.execute("SELECT max(rowid) FROM profile").fetchone()[0] or 0
            filters = {
                "segment": which.segment,
                "public": _path("public", which.trait),
                "private": _path("private", which.trait),
                "value": which.value,
                "seen_after": which.seen_after,
            }
            rows, following = _search(db, PROFILES, filters, (min(_start(wanted), newest), 0), wanted.limit)
            return Page(array(doc for doc, _ in rows), following)

    def count(self, kind: str) -> int:
        with self._reading() as db:
            number: int = db.execute(COUNTS[kind]).fetchone()[0]
            return number


def _start(wanted: PageRequest) -> int:
    return 2**62 if wanted.cursor is None else wanted.cursor


def _page(rows: Sequence[Any], document: Callable[[Sequence[Any]], Document], limit: int) -> Page:
    """Rows end with their number."""
    following = rows[limit][-1] if len(rows) > limit else None
    return Page(encoded([document(row) for row in rows[:limit]]), following)


def _search(
    db: Any, sql: str, filters: Mapping[str, Any], numbers: tuple[int, int], limit: int
) -> tuple[Sequence[Any], int | None]:
    """Look through the rows from the first number down to (not including) the second, as far as one page may.

    Returns those that were found, each with its number at the end, and where the next page begins.
    """
    start, lowest = numbers
    floor = max(start - MAX_EXAMINED, lowest)
    rows = db.execute(sql, {**filters, "start": start, "floor": floor, "limit": limit}).fetchall()
    below = rows[-1][-1] - 1 if len(rows) == limit else floor
    return rows, below if below > lowest else None


def _arrived(db: Any, time: str, slack_s: int) -> int:
    with contextlib.suppress(OverflowError):
        time = timestamp(datetime.fromisoformat(time) + timedelta(seconds=slack_s))
    number: int = db.execute(ARRIVED, {"time": time}).fetchone()[0]
    return number


def _path(part: str, trait: tuple[str, ...] | None) -> str | None:
    return None if trait is None else f"$.traits.{part}" + "".join(f'."{key}"' for key in trait)
