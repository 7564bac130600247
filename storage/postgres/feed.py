"""The feed of a PostgreSQL database, and its histories.

Events and erasures are shown in the order of their numbers, up to the oldest transaction that is under way: see
numbers.py. Refusals have numbers of their own, which are given in the order of their commits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from trackd.core.documents import Event, tombstone
from trackd.core.feed_cursor import Cursor
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
from trackd.storage.postgres.connection import Connection, Row, text_of
from trackd.storage.postgres.numbers import COMPLETE_UP_TO
from trackd.storage.postgres.refusals import FIRST_REFUSAL, refusals_after
from trackd.storage.postgres.row_documents import EVENT_COLUMNS, event_document, refusal_document
from trackd.storage.postgres.searching import MAX_EXAMINED, NTH_BELOW, bounded

BUDGET_S = 0.02  # for one group of pages; the others are read with the next one
STATE = f"""
WITH complete AS MATERIALIZED (SELECT {COMPLETE_UP_TO} AS up_to)
SELECT greatest(
    deleted_up_to,
    (SELECT max(number) FROM event WHERE number <= up_to),
    (SELECT max(number) FROM erased WHERE number <= up_to)
), deleted_up_to, used_up_to FROM event_numbers, refusal_numbers, complete
"""
DELETED_UP_TO = "SELECT deleted_up_to FROM event_numbers"
HISTORIES = "SELECT id, begins_after, refusals_after FROM feed_history ORDER BY number"
LAST_EXAMINED = """
SELECT count(*), max(number) FROM (
    SELECT number FROM event WHERE number > %s AND number <= %s ORDER BY number LIMIT %s
) AS examined
"""
COUNT_BETWEEN = "SELECT count(*) FROM (SELECT 1 FROM event WHERE number > %s AND number <= %s LIMIT %s) AS between_them"
EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM event WHERE number > %(after)s AND number <= %(end)s
AND (%(type)s::text IS NULL OR type = %(type)s) AND (%(source)s::text IS NULL OR source_id = %(source)s)
AND (%(profile)s::text IS NULL OR profile_id = %(profile)s) AND (%(session)s::text IS NULL OR session_id = %(session)s)
AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY number LIMIT %(limit)s
"""
ERASURES = f"""
SELECT hash, {text_of("erased")}, number FROM erased WHERE number > %(after)s AND number <= %(end)s
ORDER BY number LIMIT %(limit)s
"""
ERASURE_OF_PROFILE = f"""
SELECT hash, {text_of("erased")}, number FROM erased WHERE hash = %(hash)s
AND number + 0 > %(after)s AND number + 0 <= %(end)s
"""
number_of = itemgetter(-1)


class State(NamedTuple):
    """What is stored now. `deleted_up_to` is the number of the last event that the retention has deleted."""

    last: int
    deleted_up_to: int
    last_refusal: int
    histories: Sequence[History]


def state_of(db: Connection) -> State:
    [(last, deleted_up_to, last_refusal)] = db.rows(STATE)
    return State(last, deleted_up_to, last_refusal, [History(*row) for row in db.rows(HISTORIES)])


def head(db: Connection) -> Cursor:
    """The cursor after the last record, with refusals."""
    state = state_of(db)
    return Cursor(state.histories[-1].id, state.last, state.last_refusal)


def read_feeds(
    db: Connection, asked: Sequence[tuple[FeedFilter, FeedRequest]], now: Callable[[], float] = time.monotonic
) -> list[FeedPage | None]:
    """A page for each request, at least the first; None for those that there was no time for."""
    end = now() + BUDGET_S
    pages: list[FeedPage | None] = []
    for matching, request in asked:
        pages.append(None if pages and now() > end else read_feed(db, matching, request))
    return pages


def read_feed(db: Connection, matching: FeedFilter, request: FeedRequest) -> FeedPage:
    """The page after a position."""
    state = state_of(db)
    last = Cursor(state.histories[-1].id, state.last, state.last_refusal if REFUSAL in matching.kinds else None)
    if request.after is Start.NOW:
        return page((), last, is_last=True)
    deleted_up_to = state.deleted_up_to if EVENT in matching.kinds else 0
    begin, fault = begin_of(_position(db, request.after, last), state.histories, last, deleted_up_to)
    if fault is not None:
        return lost_page(fault, begin)
    rows, end = _rows(db, matching, request, begin.events, state.last)
    refusals = None if last.refusals is None else _refusals(db, matching, request, begin.refusals or 0, last.refusals)
    [(deleted_up_to,)] = db.rows(DELETED_UP_TO)  # perhaps meanwhile
    if EVENT in matching.kinds and begin.events < deleted_up_to:
        return lost_page(Lost.DELETED, Cursor(begin.history, deleted_up_to, begin.refusals))
    events = Stretch([(row[-1], _document(row)) for row in rows], end, state.last)
    return merged_page(begin, events, refusals, request)


def _position(db: Connection, after: Position, last: Cursor) -> Position:
    """Numbers have large gaps: those of events are counted."""
    if not isinstance(after, int):
        return after
    for (number,) in db.rows(NTH_BELOW.format(table="event"), [last.events, after]):
        return Cursor(last.history, number)
    return Start.OLDEST


def events_between(db: Connection, after: int, up_to: int) -> int:
    """How many events have such numbers, at most MAX_EXAMINED."""
    [(number,)] = db.rows(COUNT_BETWEEN, [after, up_to, MAX_EXAMINED])
    return int(number)


def _refusals(db: Connection, matching: FeedFilter, request: FeedRequest, begin: int, last: int) -> Stretch:
    rows, following = bounded(
        refusals_after(db, matching, begin, last, request.limit), request.limit, request.max_bytes
    )
    [(stored,)] = db.rows(FIRST_REFUSAL)  # read later: what is deleted meanwhile may be shown already
    first = last + 1 if stored is None else stored
    gone = min(first, last + 1, *(row[-1] for row in rows[:1])) - 1
    is_whole = following is None and len(rows) < request.limit
    records = [(row[-1], refusal_document(row)) for row in rows]
    return Stretch(records, last if is_whole else rows[-1][-1], last, gone)


def _rows(db: Connection, matching: FeedFilter, request: FeedRequest, begin: int, last: int) -> tuple[list[Row], int]:
    """The rows of a page in their order, and the number up to which all are examined."""
    events, end = _events(db, matching, request, begin, last) if EVENT in matching.kinds else ([], last)
    found: Iterator[Row] = merge(events, _erasures(db, matching, request, begin, end), key=number_of)
    rows = list(islice(found, request.limit))
    if len(rows) == request.limit:
        return rows, min(end, rows[-1][-1])
    return rows, max(begin, end)


def _events(
    db: Connection, matching: FeedFilter, request: FeedRequest, begin: int, last: int
) -> tuple[Sequence[Row], int]:
    [(examined, last_examined)] = db.rows(LAST_EXAMINED, [begin, last, MAX_EXAMINED])
    end = last_examined if examined == MAX_EXAMINED else last
    filters = {name: getattr(matching, name) for name in ("type", "source", "profile", "session", "status")}
    found = db.stream(EVENTS, {**filters, "after": begin, "end": end, "limit": request.limit})
    rows, following = bounded(found, request.limit, request.max_bytes)
    return rows, end if following is None else rows[-1][-1]


def _erasures(db: Connection, matching: FeedFilter, request: FeedRequest, begin: int, end: int) -> list[Row]:
    if ERASED not in matching.kinds:
        return []
    if matching.profile is not None:
        return db.rows(ERASURE_OF_PROFILE, {"after": begin, "end": end, "hash": tombstone(matching.profile)})
    return db.rows(ERASURES, {"after": begin, "end": end, "limit": request.limit})


def _document(row: Row) -> Any:
    return event_document(row) if len(row) > len(Event._fields) else ErasedDocument(*row[:2])
