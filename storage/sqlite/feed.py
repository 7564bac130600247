"""The feed of an SQLite file, and its histories.

The number of an event or erasure is its place in the order of commits: one connection commits, and no number is given
twice. Retention deletes the oldest events, and keeps the number of the last one; erasures leave gaps.
"""

import secrets
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from trackd.core.documents import Event, tombstone
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import (
    ERASED,
    EVENT,
    ErasedDocument,
    FeedFilter,
    FeedPage,
    FeedRequest,
    Lost,
    Start,
    fault_of,
    lost_page,
    page,
    record,
)
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.row_documents import EVENT_COLUMNS, event_document
from trackd.storage.sqlite.searching import bounded
from trackd.storage.sqlite.tolerant_reads import sound

MAX_EXAMINED = 10_000  # events for one page: bounds the time that it takes
STATE = f"SELECT ({LAST_NUMBER}), deleted_up_to FROM event_numbers"
DELETED_UP_TO = "SELECT deleted_up_to FROM event_numbers"
HISTORIES = "SELECT id, begins_after FROM feed_history ORDER BY number"
BEGIN_HISTORY = f"INSERT INTO feed_history (id, begins_after) SELECT ?, ({LAST_NUMBER})"
FIRST_AFTER = "SELECT min(number) FROM event WHERE number > ?"
EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM event WHERE number > :after AND number <= :end
AND (:type IS NULL OR type = :type) AND (:source IS NULL OR source_id = :source)
AND (:profile IS NULL OR profile_id = :profile) AND (:session IS NULL OR session_id = :session)
AND (:status IS NULL OR status = :status)
ORDER BY number LIMIT :limit
"""
ERASURES = """
SELECT hash, erased, number FROM erased WHERE number > :after AND number <= :end
AND (:hash IS NULL OR hash = :hash) ORDER BY number LIMIT :limit
"""
Row = Sequence[Any]
number_of = itemgetter(-1)


def begin_history(db: Connection) -> None:
    """Begin another history after the last number: what followed it in a lost file had the numbers from there on."""
    db.execute(BEGIN_HISTORY, (secrets.token_hex(8),))


def head(db: Any) -> Cursor:
    """The cursor after the last record."""
    *_, (history, _) = db.execute(HISTORIES)
    return Cursor(history, db.execute(LAST_NUMBER).fetchone()[0])


def read_feed(db: Any, matching: FeedFilter, request: FeedRequest) -> FeedPage:
    """The page after a position."""
    last, deleted_up_to = next(db.execute(STATE))
    histories = list(db.execute(HISTORIES))
    history = histories[-1][0]
    if request.after is Start.NOW:
        return page((), Cursor(history, last), is_last=True)
    oldest = deleted_up_to if EVENT in matching.kinds else 0
    if isinstance(request.after, Cursor):
        begin = request.after.events
        fault = fault_of(request.after, histories, last)
        if fault is not None:
            return lost_page(fault, Cursor(history, oldest))
    else:
        begin = oldest
    rows, end = _rows(db, matching, request, begin, last)
    if EVENT in matching.kinds and begin < (deleted_up_to := db.execute(DELETED_UP_TO).get):  # perhaps meanwhile
        return lost_page(Lost.DELETED, Cursor(history, deleted_up_to))
    records = (record(Cursor(history, row[-1]), _document(row), request.form) for row in sound(rows, "event"))
    return page(records, Cursor(history, end), is_last=end >= last)


def _rows(db: Any, matching: FeedFilter, request: FeedRequest, begin: int, last: int) -> tuple[list[Row], int]:
    """The rows of a page in their order, and the number up to which all are examined."""
    events, end = _events(db, matching, request, begin, last) if EVENT in matching.kinds else ([], last)
    found: Iterator[Row] = merge(events, _erasures(db, matching, request, begin, end), key=number_of)
    rows = list(islice(found, request.limit))
    if len(rows) == request.limit:
        return rows, min(end, rows[-1][-1])
    return rows, max(begin, end)


def _events(db: Any, matching: FeedFilter, request: FeedRequest, begin: int, last: int) -> tuple[list[Row], int]:
    first = db.execute(FIRST_AFTER, (begin,)).get
    if first is None:
        return [], last
    end = min(last, first - 1 + MAX_EXAMINED)
    filters = {name: getattr(matching, name) for name in ("type", "source", "profile", "session", "status")}
    rows, following = bounded(
        db.execute(EVENTS, {**filters, "after": begin, "end": end, "limit": request.limit}), request.max_bytes
    )
    return rows, end if following is None else rows[-1][-1]


def _erasures(db: Any, matching: FeedFilter, request: FeedRequest, begin: int, end: int) -> list[Row]:
    if ERASED not in matching.kinds:
        return []
    own = None if matching.profile is None else tombstone(matching.profile)
    return list(db.execute(ERASURES, {"after": begin, "end": end, "hash": own, "limit": request.limit}))


def _document(row: Row) -> Any:
    return event_document(row) if len(row) > len(Event._fields) else ErasedDocument(*row[:2])
