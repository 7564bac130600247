"""`Listings` of an SQLite file.

A cursor is the number of the first event, or the rowid of the first session or profile, that its page may contain.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from trackd.core.documents import Event
from trackd.core.encoding import reencode
from trackd.core.feed_cursor import Cursor
from trackd.core.pii_values import pii_name, searched_values
from trackd.core.trait_values import has_trait, trait_text
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.feed import FeedFilter, FeedGroup, FeedPage, FeedRequest
from trackd.storage.listings import EventFilter, Page, PageRequest, ProfileFilter, RefusalFilter
from trackd.storage.sqlite.connection import NOT_UTF_8, SQLITE_ERRORS, Connection, connect, database_errors
from trackd.storage.sqlite.event_chain import walk
from trackd.storage.sqlite.feed import head, read_feed
from trackd.storage.sqlite.feed_group import read_feeds
from trackd.storage.sqlite.refusals import search_refusals
from trackd.storage.sqlite.row_documents import (
    EVENT_COLUMNS,
    SESSION_COLUMNS,
    Document,
    array,
    encoded,
    event_document,
    refusal_document,
    session_document,
)
from trackd.storage.sqlite.searching import MAX_EXAMINED, Row, bounded, first_number, search, search_events
from trackd.storage.sqlite.tolerant_reads import DamagedText, TolerantReads, sound, with_documents

SESSION_ID, INSERTED = Event._fields.index("session_id"), Event._fields.index("inserted")

# The queries of a profile's and a session's documents select one document more than the page: the next page begins
# there. Those of events follow the order of the chain: sorted, all events of a page would be copied first.
PROFILE_OR_MERGED = """
SELECT id, last_event FROM profile WHERE id = :profile UNION ALL
SELECT id, last_event FROM profile WHERE id = (SELECT into_id FROM merged WHERE id = :profile) LIMIT 1
"""
DOCUMENT_OF_PROFILE = """
SELECT doc FROM profile WHERE id = ?1 UNION ALL
SELECT doc FROM profile WHERE id = (SELECT into_id FROM merged WHERE id = ?1) LIMIT 1
"""
PROFILE_EVENTS = f"""
{walk(":profile", start=":start", depth=":limit + 1")}
SELECT {EVENT_COLUMNS}, number FROM walk CROSS JOIN event USING (number)
"""
PROFILE_SESSIONS = f"""
SELECT {SESSION_COLUMNS}, rowid FROM session WHERE profile_id = :profile AND rowid <= :start
ORDER BY rowid DESC LIMIT :limit + 1
"""
PROFILE_OF_SESSION = """
SELECT profile.id, profile.last_event, session.inserted
FROM session LEFT JOIN profile ON profile.id = session.profile_id WHERE session.id = ?
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
SELECT {EVENT_COLUMNS}, (SELECT count(*) FROM walk), number FROM walk CROSS JOIN event USING (number)
WHERE event.session_id = :session OR number = (SELECT min(number) FROM walk)
"""
# `instr` skips most profiles without the segment or the trait without parsing their documents. Documents that are not
# JSON are found too, and left out with a line in the log.
PROFILE_FILTERS = """
profile.rowid <= :start AND profile.rowid > :floor
AND (:segment IS NULL OR instr(doc, json_quote(:segment))) AND (:trait_text IS NULL OR instr(doc, :trait_text))
AND (
    NOT json_valid(doc)
    OR (:segment IS NULL OR :segment IN (SELECT value FROM json_each(doc, '$.segments')))
    AND (:seen_after IS NULL OR doc ->> '$.metadata.time.update' >= :seen_after)
    AND (:trait IS NULL OR has_trait(CAST(doc AS BLOB), :trait, :value))
)
ORDER BY profile.rowid DESC LIMIT :limit
"""
SOUND_DOCUMENT = "iif(typeof(doc) = 'text' AND json_valid(doc), doc, NULL)"
SEARCH_PROFILES = f"SELECT {SOUND_DOCUMENT}, rowid FROM profile WHERE {PROFILE_FILTERS}"
SEARCH_PII = f"""
SELECT {SOUND_DOCUMENT}, profile.rowid FROM (
    SELECT DISTINCT profile_id FROM pii WHERE name = :pii AND value IN (SELECT value FROM json_each(:pii_values))
) AS found CROSS JOIN profile ON profile.id = found.profile_id WHERE {PROFILE_FILTERS}
"""
PROFILE_IDS = "SELECT id, rowid FROM profile WHERE id > ? ORDER BY id"
PROFILE_IDS_DOWN = "SELECT id, rowid FROM profile WHERE id > ? ORDER BY id DESC"
SEGMENT_MEMBERS = """
SELECT segment.value, count(*) FROM profile, json_each(iif(json_valid(doc), doc, '{}'), '$.segments') AS segment
WHERE segment.type = 'text' GROUP BY segment.value
"""
COUNTS = {kind: f"SELECT count(*) FROM {kind}" for kind in ("profile", "session", "event")}
EVENT = f"SELECT {EVENT_COLUMNS} FROM event WHERE id = ? ORDER BY number DESC LIMIT 1"
MAX_SAME_ID = 1_000  # events with the same id among which that of a profile is sought
EVENT_OF_PROFILE = f"""
SELECT {EVENT_COLUMNS} FROM (SELECT * FROM event WHERE id = ? ORDER BY number DESC LIMIT {MAX_SAME_ID}) AS event
WHERE profile_id = ? LIMIT 1
"""


class SqliteListings:
    """See `Listings`. Reads on connections of its own, one for each thread that reads at the same time."""

    def __init__(self, path: Path, open_connection: Callable[[], Connection] | None = None) -> None:
        self._open = open_connection or partial(connect, path, mode="ro")
        self._idle: list[Connection] = []
        self._path = path
        self.reopen()

    def reopen(self) -> None:
        """Open the file again after `close`. Raises DatabaseError."""
        with database_errors(self._path):
            self._by_key = self._open()  # for the event loop, which cannot wait for a free one

    def close(self) -> None:
        """Close the connections. No read may be under way. Single documents cannot be read any more."""
        for connection in (self._by_key, *self._idle):
            connection.close()
        self._idle.clear()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        """Lend a connection. Other commits may happen between two of its statements: there is no transaction."""
        try:
            connection = self._connection()
            try:
                yield TolerantReads(connection)
            finally:
                self._idle.append(connection)
        except SQLITE_ERRORS as error:
            raise _failure(error) from error

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._open()
            # SQLite's own paths into JSON have no escapes for quotes, and its comparison has 5 and 5.0 as two values.
            connection.create_scalar_function("has_trait", has_trait, 3, deterministic=True)  # type: ignore[arg-type]
            return connection

    def profile(self, profile_id: str) -> str | None:
        """The document of a profile as it is committed, as JSON text, also by an id that was merged into it."""
        row = self._row(DOCUMENT_OF_PROFILE, profile_id)
        return None if row is None else str(row[0])

    def session(self, session_id: str) -> str | None:
        row = self._row(f"SELECT {SESSION_COLUMNS} FROM session WHERE id = ?", session_id)
        return None if row is None else encoded(session_document(row)).decode()

    def event(self, event_id: str, profile_id: str | None = None) -> str | None:
        row = None if profile_id is None else self._row(EVENT_OF_PROFILE, event_id, profile_id)
        row = row or self._row(EVENT, event_id)
        return None if row is None else encoded(event_document(row)).decode()

    def _row(self, sql: str, *keys: str) -> Any:
        try:
            return self._by_key.execute(sql, keys).fetchone()
        except SQLITE_ERRORS as error:
            raise _failure(error) from error

    def profile_events(self, profile_id: str, request: PageRequest) -> Page | None:
        with self._reading() as db:
            profile = db.execute(PROFILE_OR_MERGED, {"profile": profile_id}).fetchone()
            if profile is None:
                return None
            own_id, last_event = profile
            start = last_event if request.cursor is None else request.cursor
            rows = db.execute(PROFILE_EVENTS, {"profile": own_id, "start": start, "limit": request.limit})
            return _page(rows, event_document, request, "event")

    def profile_sessions(self, profile_id: str, request: PageRequest) -> Page | None:
        with self._reading() as db:
            profile = db.execute(PROFILE_OR_MERGED, {"profile": profile_id}).fetchone()
            if profile is None:
                return None
            parameters = {"profile": profile[0], "start": first_number(request), "limit": request.limit}
            return _page(db.execute(PROFILE_SESSIONS, parameters), session_document, request, "session")

    def session_events(self, session_id: str, request: PageRequest) -> Page | None:
        """See `Listings`. The profile's chain of events is followed down to the first event older than the session."""
        with self._reading() as db:
            session = db.execute(PROFILE_OF_SESSION, (session_id,)).fetchone()
            if session is None:
                return None
            profile_id, last_event, inserted = session
            start = last_event if request.cursor is None else request.cursor
            parameters = {"profile": profile_id, "start": start, "session": session_id}
            found = db.execute(SESSION_EVENTS, {**parameters, "limit": request.limit, "depth": MAX_EXAMINED})
            rows, following = bounded(found, request.max_bytes)
        of_session = [row for row in rows if row[SESSION_ID] == session_id]
        if following is not None:
            return Page(_documents(of_session[: request.limit], event_document, "event"), following[-1])
        *_, examined, last_examined = rows[-1] if rows else (0, None)
        if examined <= MAX_EXAMINED or len(of_session) > request.limit:
            return _page(of_session, event_document, request, "event")
        page = _page([row for row in of_session if row[-1] != last_examined], event_document, request, "event")
        return Page(page.documents, last_examined if rows[-1][INSERTED] >= inserted else None)

    def events(self, matching: EventFilter, request: PageRequest) -> Page:
        with self._reading() as db:
            rows, next_cursor = search_events(db, matching, request)
            return Page(_documents(rows, event_document, "event"), next_cursor)

    def profiles(self, matching: ProfileFilter, request: PageRequest) -> Page:
        with self._reading() as db:
            newest = db.execute("SELECT max(rowid) FROM profile").get or 0
            filters = {
                "segment": matching.segment,
                "trait": None if matching.trait is None else reencode(matching.trait),
                "trait_text": trait_text(matching.trait),
                "value": matching.value,
                "seen_after": matching.seen_after,
            }
            numbers = (min(first_number(request), newest), 0)
            if matching.pii is None:
                rows, next_cursor = search(db, SEARCH_PROFILES, filters, numbers, request)
            else:
                path, value = matching.pii
                filters |= {"pii": pii_name(path), "pii_values": reencode(searched_values(value))}
                rows, next_cursor = search(db, SEARCH_PII, filters, numbers, request, most_examined=2**62)
            return Page(array(doc for doc, _ in sound(with_documents(rows), "profile")), next_cursor)

    def refusals(self, matching: RefusalFilter, request: PageRequest) -> Page:
        with self._reading() as db:
            return _page(search_refusals(db, matching, request), refusal_document, request, "refusal")

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        with self._reading() as db:
            return read_feed(db, matching, request)

    def feeds(self, asked: Sequence[tuple[FeedFilter, FeedRequest]]) -> FeedGroup:
        began = time.thread_time()
        with self._reading() as db:
            pages = read_feeds(db, asked)
        return FeedGroup(pages, time.thread_time() - began)

    def feed_head(self) -> Cursor:
        try:
            return head(self._by_key)
        except SQLITE_ERRORS as error:
            raise _failure(error) from error

    def events_between(self, after: int, up_to: int) -> int:
        return up_to - after

    def profile_ids(self, after: str, limit: int, descending: bool) -> list[str]:
        with self._reading() as db:
            rows = db.execute(PROFILE_IDS_DOWN if descending else PROFILE_IDS, (after,))
            return [key for key, _ in islice(sound(rows, "profile"), limit)]

    def segment_members(self) -> dict[str, int]:
        with self._reading() as db:
            members = db.execute(SEGMENT_MEMBERS)
            return {segment: number for segment, number in members if not isinstance(segment, DamagedText)}

    def count(self, kind: str) -> int:
        with self._reading() as db:
            number: int = db.execute(COUNTS[kind]).get
            return number


def _failure(error: Exception) -> StoreError:
    """What is damaged, a row or pages of the file, stays so."""
    if isinstance(error, UnicodeDecodeError):
        return DamagedRowError(NOT_UTF_8)
    if isinstance(error, apsw.CorruptError):
        return DamagedRowError(f"cannot read: {error}, `trackd verify` names what is damaged")
    return StoreError(f"cannot read: {error}")


def _page(found: Iterable[Row], document: Callable[[Row], Document], request: PageRequest, table: str) -> Page:
    """A page of rows that end with their number; a row past the limit is where the next page begins."""
    rows, following = bounded(found, request.max_bytes)
    following = rows[request.limit] if len(rows) > request.limit else following
    next_cursor = None if following is None else following[-1]
    return Page(_documents(rows[: request.limit], document, table), next_cursor)


def _documents(rows: Iterable[Row], document: Callable[[Row], Document], table: str) -> bytes:
    return encoded([document(row) for row in sound(rows, table)])
