"""The feed of an SQLite file, and its histories.

The number of an event or erasure is its place in the order of commits: one connection commits, and no number is given
twice. Retention deletes the oldest events, and keeps the number of the last one; erasures leave gaps. Refusals have
numbers of their own.
"""

import secrets
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from json import dumps
from operator import itemgetter
from typing import Any, NamedTuple

from trackd.core.documents import Event, tombstone
from trackd.core.feed_cursor import Cursor
from trackd.storage.errors import DamagedRowError
from trackd.storage.feed import (
    ERASED,
    EVENT,
    REFUSAL,
    ErasedDocument,
    FeedFilter,
    FeedPage,
    FeedRequest,
    History,
    Lost,
    Position,
    Start,
    Stretch,
    begin_of,
    lost_page,
    merged_page,
    page,
)
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.refusals import FIRST_REFUSAL, LAST_REFUSAL, refusals_after
from trackd.storage.sqlite.row_documents import EVENT_COLUMNS, event_document, refusal_document
from trackd.storage.sqlite.searching import bounded
from trackd.storage.sqlite.tolerant_reads import sound

MAX_EXAMINED = 10_000  # events for one page: bounds the time that it takes
STATE = f"SELECT ({LAST_NUMBER}), deleted_up_to, ({LAST_REFUSAL}) FROM event_numbers"
DELETED_UP_TO = "SELECT deleted_up_to FROM event_numbers"
HISTORIES = "SELECT id, begins_after, refusals_after FROM feed_history ORDER BY number"
BEGIN_HISTORY = f"INSERT INTO feed_history (id, begins_after) SELECT ?, ({LAST_NUMBER})"
NOTE_REFUSALS = f"UPDATE feed_history SET refusals_after = ({LAST_REFUSAL}) WHERE id = ?"
NOTES_REFUSALS = "SELECT 1 FROM pragma_table_info('feed_history') WHERE name = 'refusals_after'"
NTH_NEWEST = "SELECT number FROM event ORDER BY number DESC LIMIT 1 OFFSET ?"
FIRST_AFTER = "SELECT min(number) FROM event WHERE number > ?"
EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM event WHERE {{}}
AND (:type IS NULL OR type = :type) AND (:source IS NULL OR source_id = :source)
AND (:profile IS NULL OR profile_id = :profile) AND (:session IS NULL OR session_id = :session)
AND (:status IS NULL OR status = :status)
ORDER BY number LIMIT :limit
"""
EVENTS_BETWEEN = EVENTS.format("number > :after AND number <= :end")
EVENTS_FOUND = EVENTS.format("number IN (SELECT value FROM json_each(:numbers))")
ERASURES = """
SELECT hash, erased, number FROM erased WHERE number > :after AND number <= :end
AND (:hash IS NULL OR hash = :hash) ORDER BY number LIMIT :limit
"""
Row = Sequence[Any]
number_of = itemgetter(-1)


def begin_history(db: Connection) -> None:
    """Begin another history after the last numbers: what followed them in a lost file had the numbers from there on.

    The file may be that of an older version, without the column for refusals.
    """
    history = secrets.token_hex(8)
    db.execute(BEGIN_HISTORY, (history,))
    if db.execute(NOTES_REFUSALS).fetchone() is not None:
        db.execute(NOTE_REFUSALS, (history,))


class State(NamedTuple):
    """What is stored now. `deleted_up_to` is the number of the last event that the retention has deleted."""

    last: int
    deleted_up_to: int
    last_refusal: int
    histories: Sequence[History]


class Found(NamedTuple):
    """The numbers of the events up to `end` that a feed may show, and whether there are erasures."""

    numbers: Sequence[int]
    end: int
    has_erasures: bool

    def has_none(self, matching: FeedFilter, begin: Cursor, last: Cursor) -> bool:
        """Whether certainly no record follows up to `end`."""
        has_erasures = self.has_erasures and ERASED in matching.kinds
        has_refusals = REFUSAL in matching.kinds and begin.refusals != last.refusals
        return not (self.numbers or has_erasures or has_refusals)


def state_of(db: Any) -> State:
    row = db.execute(STATE).fetchone()
    if row is None or any(type(value) is not int for value in row):
        raise DamagedRowError("cannot read: the row of event_numbers is damaged, `trackd verify` names it")
    histories = [History(*row) for row in db.execute(HISTORIES)]
    if not histories:
        raise DamagedRowError("cannot read: feed_history has no row, `trackd verify` names it")
    last, deleted_up_to, last_refusal = row
    return State(last, deleted_up_to, last_refusal, histories)


def head(db: Any) -> Cursor:
    """The cursor after the last record, with refusals."""
    state = state_of(db)
    return Cursor(state.histories[-1].id, state.last, state.last_refusal)


def read_feed(db: Any, matching: FeedFilter, request: FeedRequest) -> FeedPage:
    """The page after a position."""
    return page_of(db, matching, request, state_of(db))


def page_of(db: Any, matching: FeedFilter, request: FeedRequest, state: State, found: Found | None = None) -> FeedPage:
    """The page after a position in what was stored in this state. `found`: what a search from there has found."""
    last = Cursor(state.histories[-1].id, state.last, state.last_refusal if REFUSAL in matching.kinds else None)
    if request.after is Start.NOW:
        return page((), last, is_last=True)
    deleted_up_to = state.deleted_up_to if EVENT in matching.kinds else 0
    begin, fault = begin_of(_position(db, request.after, last), state.histories, last, deleted_up_to)
    if fault is not None:
        return lost_page(fault, begin)
    if found is not None and found.has_none(matching, begin, last):
        return page((), Cursor(last.history, found.end, begin.refusals), is_last=found.end == last.events)
    rows, end = _rows(db, matching, request, begin.events, state.last, found)
    refusals = None if last.refusals is None else _refusals(db, matching, request, begin.refusals or 0, last.refusals)
    if EVENT in matching.kinds and begin.events < (deleted_up_to := db.execute(DELETED_UP_TO).get):  # perhaps meanwhile
        return lost_page(Lost.DELETED, Cursor(begin.history, deleted_up_to, begin.refusals))
    events = Stretch([(row[-1], _document(row)) for row in sound(rows, "event")], end, state.last)
    return merged_page(begin, events, refusals, request)


def _position(db: Any, after: Position, last: Cursor) -> Position:
    if not isinstance(after, int):
        return after
    number = db.execute(NTH_NEWEST, (after,)).get
    return Start.OLDEST if number is None else Cursor(last.history, min(number, last.events))


def _refusals(db: Any, matching: FeedFilter, request: FeedRequest, begin: int, last: int) -> Stretch:
    rows, following = bounded(refusals_after(db, matching, begin, last, request.limit), request.max_bytes)
    first = db.execute(FIRST_REFUSAL).get or last + 1  # read later: what goes meanwhile may be shown already
    gone = min(first, last + 1, *(row[-1] for row in rows[:1])) - 1
    is_whole = following is None and len(rows) < request.limit
    records = [(row[-1], refusal_document(row)) for row in sound(rows, "refusal")]
    return Stretch(records, last if is_whole else rows[-1][-1], last, gone)


def _rows(
    db: Any, matching: FeedFilter, request: FeedRequest, begin: int, last: int, found: Found | None
) -> tuple[list[Row], int]:
    """The rows of a page in their order, and the number up to which all are examined."""
    events, end = _events(db, matching, request, begin, last, found) if EVENT in matching.kinds else ([], last)
    may_have_erasures = ERASED in matching.kinds and (found is None or found.has_erasures)
    erasures = _erasures(db, matching, request, begin, end) if may_have_erasures else []
    merged: Iterator[Row] = merge(events, erasures, key=number_of)
    rows = list(islice(merged, request.limit))
    if len(rows) == request.limit:
        return rows, min(end, rows[-1][-1])
    return rows, max(begin, end)


def _events(
    db: Any, matching: FeedFilter, request: FeedRequest, begin: int, last: int, found: Found | None
) -> tuple[list[Row], int]:
    if found is None:
        first = db.execute(FIRST_AFTER, (begin,)).get
        if first is None:
            return [], last
        sql, end, numbers = EVENTS_BETWEEN, min(last, first - 1 + MAX_EXAMINED), ""
    else:
        few = found.numbers[: request.limit]
        sql, end, numbers = EVENTS_FOUND, found.end if len(few) == len(found.numbers) else few[-1], dumps(few)
    filters = {name: getattr(matching, name) for name in ("type", "source", "profile", "session", "status")}
    place = {"after": begin, "end": end, "numbers": numbers, "limit": request.limit}
    rows, following = bounded(db.execute(sql, {**filters, **place}), request.max_bytes)
    return rows, end if following is None else rows[-1][-1]


def _erasures(db: Any, matching: FeedFilter, request: FeedRequest, begin: int, end: int) -> list[Row]:
    own = None if matching.profile is None else tombstone(matching.profile)
    return list(db.execute(ERASURES, {"after": begin, "end": end, "hash": own, "limit": request.limit}))


def _document(row: Row) -> Any:
    return event_document(row) if len(row) > len(Event._fields) else ErasedDocument(*row[:2])
