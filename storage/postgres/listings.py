"""`Listings` of a PostgreSQL database.

A cursor is the number of the first event, session or profile that its page may contain.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import psycopg

from trackd.core.encoding import json_object, reencode
from trackd.core.feed_cursor import Cursor
from trackd.core.pii_values import pii_name, searched_values
from trackd.core.trait_values import has_trait, trait_text
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, FeedGroup, FeedPage, FeedRequest
from trackd.storage.listings import EventFilter, Page, PageRequest, ProfileFilter, RefusalFilter
from trackd.storage.postgres.connection import BY_INDEX, NODE, Connection, Row, reason_of
from trackd.storage.postgres.feed import events_between, head, read_feed, read_feeds
from trackd.storage.postgres.refusals import search_refusals
from trackd.storage.postgres.row_documents import (
    EVENT_COLUMNS,
    READABLE_DOC,
    SESSION_COLUMNS,
    Document,
    event_document,
    refusal_document,
    session_document,
)
from trackd.storage.postgres.searching import (
    MAX_EXAMINED,
    Found,
    arrived,
    bounded,
    first_number,
    floor_of,
)

PROFILE_ID = """
SELECT id FROM profile WHERE id = %(id)s
UNION ALL SELECT profile.id FROM merged JOIN profile ON profile.id = into_id WHERE merged.id = %(id)s
"""
DOCUMENT_OF_PROFILE = f"SELECT doc::text FROM profile WHERE id IN ({PROFILE_ID})"
SESSION = f"SELECT {SESSION_COLUMNS} FROM session WHERE id = %s"
# As ranges of one index, and in no order that another one has: the planner may take that, and read the whole table.
EVENT = f"SELECT {EVENT_COLUMNS} FROM event WHERE id = %s ORDER BY number + 0 DESC LIMIT 1"
EVENT_OF_PROFILE = f"""
SELECT {EVENT_COLUMNS} FROM event
WHERE (id, profile_id) >= (%(id)s, %(profile)s) AND (id, profile_id) <= (%(id)s, %(profile)s)
ORDER BY number + 0 DESC LIMIT 1
"""
OF_PROFILE = """
(profile_id, number) <= (%(profile)s, %(start)s::bigint) AND profile_id >= %(profile)s
ORDER BY profile_id DESC, number DESC
"""
PROFILE_EVENTS = f"SELECT {EVENT_COLUMNS}, number FROM event WHERE {OF_PROFILE} LIMIT %(limit)s + 1"
PROFILE_SESSIONS = f"SELECT {SESSION_COLUMNS}, number FROM session WHERE {OF_PROFILE} LIMIT %(limit)s + 1"
PROFILE_OF_SESSION = "SELECT profile_id, inserted FROM session WHERE id = %s"
SESSION_EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM (
    SELECT * FROM event WHERE {OF_PROFILE} LIMIT %(examined)s
) AS event WHERE session_id = %(session)s ORDER BY number DESC LIMIT %(limit)s + 1
"""
BELOW_EXAMINED = f"""
SELECT number, inserted >= %(inserted)s FROM event WHERE {OF_PROFILE} OFFSET %(examined)s LIMIT 1
"""
SEARCH_EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM event WHERE number <= %(start)s AND number > %(floor)s
AND (%(type)s::text IS NULL OR type = %(type)s) AND (%(source)s::text IS NULL OR source_id = %(source)s)
AND (%(status)s::text IS NULL OR status = %(status)s)
AND (%(after)s::text IS NULL OR inserted >= %(after)s::timestamptz)
AND (%(before)s::text IS NULL OR inserted < %(before)s::timestamptz)
AND (%(created_after)s::text IS NULL OR created >= %(created_after)s::timestamptz)
AND (%(created_before)s::text IS NULL OR created < %(created_before)s::timestamptz)
ORDER BY number DESC LIMIT %(limit)s + 1
"""
# The texts skip most profiles without the segment or the trait without decoding their documents.
PROFILE_FILTERS = """
number <= %(start)s AND number > %(floor)s
AND (%(segment_text)s::text IS NULL OR strpos(doc::text, %(segment_text)s) > 0)
AND (%(trait_text)s::text IS NULL OR strpos(doc::text, %(trait_text)s) > 0)
"""
SEARCH_PROFILES = f"SELECT doc::text, number FROM profile WHERE {PROFILE_FILTERS} ORDER BY number DESC"
SEARCH_PII = f"""
WITH found AS MATERIALIZED (
    SELECT DISTINCT profile_id FROM unnest(%(pii_values)b::text[]) AS wanted CROSS JOIN LATERAL (
        SELECT profile_id FROM pii WHERE name = %(pii)s AND md5(value) = md5(wanted) AND value = wanted OFFSET 0
    ) AS pii
)
SELECT doc::text, number FROM found CROSS JOIN LATERAL (
    SELECT doc, number FROM profile WHERE id = found.profile_id OFFSET 0
) AS profile WHERE {PROFILE_FILTERS} ORDER BY number DESC
"""
PROFILE_IDS = "SELECT id FROM profile WHERE id > %s ORDER BY id LIMIT %s"
PROFILE_IDS_DOWN = "SELECT id FROM profile WHERE id > %s ORDER BY id DESC LIMIT %s"
SEGMENT_MEMBERS = f"""
SELECT segment #>> '{{}}', count(*) FROM (SELECT {READABLE_DOC} -> 'segments' AS segments FROM profile) AS profile,
json_array_elements(CASE json_typeof(segments) WHEN 'array' THEN segments ELSE '[]' END) AS segment
WHERE json_typeof(segment) = 'string' GROUP BY 1
"""
COUNTS = {kind: f"SELECT count(*) FROM {kind}" for kind in ("profile", "session", "event")}
SCANNING = "SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on"
_encoded = msgspec.json.Encoder().encode


class PostgresListings:
    """See `Listings`. Reads on connections of its own, one for each thread that reads at the same time."""

    def __init__(self, url: str, name: str = NODE, by_key: Connection | None = None) -> None:
        """`name`: see `Connection`. `by_key` is the connection for reads by key."""
        self._url = url
        self._name = name
        self._idle: list[Connection] = []
        self._by_key = by_key or Connection(url, name, BY_INDEX)  # for the event loop, which cannot wait for a free one

    def close(self) -> None:
        """Close the connections. No read may be under way."""
        for connection in (self._by_key, *self._idle):
            connection.close()
        self._idle.clear()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Lend a connection. Other commits may happen between two of its statements: there is no transaction."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = Connection(self._url, self._name, BY_INDEX)
        try:
            yield connection
        except psycopg.Error as error:
            if not connection.is_open:  # the server has ended them all
                self._idle.clear()
            raise StoreError(f"cannot read: {reason_of(error)}") from error
        finally:
            self._idle.append(connection)

    def profile(self, profile_id: str) -> str | None:
        """The document of a profile as it is committed, as JSON text, also by an id that was merged into it."""
        return next((str(doc) for (doc,) in self._by_key.read(DOCUMENT_OF_PROFILE, {"id": profile_id})), None)

    def session(self, session_id: str) -> str | None:
        rows = self._by_key.read(SESSION, [session_id])
        return next((_encoded(session_document(row)).decode() for row in rows), None)

    def event(self, event_id: str, profile_id: str | None = None) -> str | None:
        rows = (
            [] if profile_id is None else self._by_key.read(EVENT_OF_PROFILE, {"id": event_id, "profile": profile_id})
        )
        rows = rows or self._by_key.read(EVENT, [event_id])
        return next((_encoded(event_document(row)).decode() for row in rows), None)

    def profile_events(self, profile_id: str, request: PageRequest) -> Page | None:
        return self._of_profile(PROFILE_EVENTS, profile_id, request, event_document)

    def profile_sessions(self, profile_id: str, request: PageRequest) -> Page | None:
        return self._of_profile(PROFILE_SESSIONS, profile_id, request, session_document)

    def _of_profile(
        self, sql: str, profile_id: str, request: PageRequest, document: Callable[[Row], Document]
    ) -> Page | None:
        with self._reading() as db:
            for (own_id,) in db.rows(PROFILE_ID, {"id": profile_id}):
                bounds = {"profile": own_id, "start": first_number(request), "limit": request.limit}
                return _page(bounded(db.stream(sql, bounds), request.limit, request.max_bytes), document)
        return None

    def session_events(self, session_id: str, request: PageRequest) -> Page | None:
        """See `Listings`. The profile's events are examined down to the first one that is older than the session."""
        with self._reading() as db:
            for profile_id, inserted in db.rows(PROFILE_OF_SESSION, [session_id]):
                bounds = {"profile": profile_id, "start": first_number(request), "examined": MAX_EXAMINED}
                below = db.rows(BELOW_EXAMINED, {**bounds, "inserted": inserted})
                floor = next((number for number, is_of_session in below if is_of_session), None)
                rows = db.stream(SESSION_EVENTS, {**bounds, "session": session_id, "limit": request.limit})
                return _page(bounded(rows, request.limit, request.max_bytes, floor), event_document)
        return None

    def events(self, matching: EventFilter, request: PageRequest) -> Page:
        with self._reading() as db:
            start, lowest = arrived(db, matching.after, matching.before)
            start = min(start, first_number(request))
            floor = floor_of(db, "event", start)
            following = floor if floor is not None and floor > lowest else None
            filters = {name: getattr(matching, name) for name in matching.__struct_fields__}
            bounds = {"start": start, "floor": max(lowest, floor or 0), "limit": request.limit}
            rows = db.stream(SEARCH_EVENTS, {**filters, **bounds})
            return _page(bounded(rows, request.limit, request.max_bytes, following), event_document)

    def profiles(self, matching: ProfileFilter, request: PageRequest) -> Page:
        segment = None if matching.segment is None else reencode(matching.segment)
        filters: dict[str, Any] = {"segment_text": segment, "trait_text": trait_text(matching.trait)}
        start = first_number(request)
        with self._reading() as db:
            if matching.pii is None:
                floor = floor_of(db, "profile", start)
                rows = db.stream(SEARCH_PROFILES, {**filters, "start": start, "floor": floor or 0})
            else:
                path, value = matching.pii
                filters |= {"pii": pii_name(path), "pii_values": [*searched_values(value)]}
                floor, rows = None, db.stream(SEARCH_PII, {**filters, "start": start, "floor": 0})
            matches = (row for row in rows if _matches(row[0], matching))
            found = bounded(matches, request.limit, request.max_bytes, floor)
            rows_of_page = [doc.encode() for doc, _ in found.rows]
            return Page(b"[%b]" % b",".join(rows_of_page), found.next)

    def refusals(self, matching: RefusalFilter, request: PageRequest) -> Page:
        with self._reading() as db:
            return _page(
                bounded(search_refusals(db, matching, request), request.limit, request.max_bytes), refusal_document
            )

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        with self._reading() as db:
            return read_feed(db, matching, request)

    def feeds(self, asked: Sequence[tuple[FeedFilter, FeedRequest]]) -> FeedGroup:
        began = time.thread_time()
        with self._reading() as db:
            pages = read_feeds(db, asked)
        return FeedGroup(pages, time.thread_time() - began)

    def feed_head(self) -> Cursor:
        with _errors():
            return head(self._by_key)

    def events_between(self, after: int, up_to: int) -> int:
        with _errors():
            return events_between(self._by_key, after, up_to)

    def profile_ids(self, after: str, limit: int, descending: bool) -> list[str]:
        with self._reading() as db:
            return [key for (key,) in db.rows(PROFILE_IDS_DOWN if descending else PROFILE_IDS, [after, limit])]

    def segment_members(self) -> dict[str, int]:
        with self._reading_all() as db:
            return dict(db.rows(SEGMENT_MEMBERS))

    def count(self, kind: str) -> int:
        with self._reading_all() as db:
            [(number,)] = db.rows(COUNTS[kind])
            return int(number)

    @contextlib.contextmanager
    def _reading_all(self) -> Iterator[Connection]:
        """For a statement that reads a whole table."""
        with self._reading() as db, db.open().transaction():
            db.run(SCANNING)
            yield db


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError:  # of a HurriedConnection
        raise StoreError("cannot read: the database does not answer") from None
    except psycopg.Error as error:
        raise StoreError(f"cannot read: {reason_of(error)}") from error


def _page(found: Found, document: Callable[[Row], Document]) -> Page:
    return Page(_encoded([document(row) for row in found.rows]), found.next)


def _matches(doc: str, matching: ProfileFilter) -> bool:
    """Whether the document of a profile has the segment, the trait and the time of its last call of a filter."""
    if matching.trait is not None and not has_trait(doc.encode(), reencode(matching.trait), matching.value):
        return False
    if matching.segment is None and matching.seen_after is None:
        return True
    profile = json_object(doc)
    if matching.segment is not None and matching.segment not in profile["segments"]:
        return False
    return matching.seen_after is None or profile["metadata"]["time"]["update"] >= matching.seen_after
