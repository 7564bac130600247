"""Searches in the tables of an SQLite file, a page at a time: a page examines a bounded number of rows."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from trackd.core.documents import timestamp
from trackd.core.encoding import json_text
from trackd.storage.listings import EventFilter, PageRequest
from trackd.storage.sqlite.event_chain import NUMBER_AT_TIME
from trackd.storage.sqlite.row_documents import EVENT_COLUMNS

MAX_EXAMINED = 10_000  # rows for one page: bounds the time that it takes
MAX_SHORT_TEXT = 1_024  # characters; ids and types have fewer
TEXTS = (str, bytes)
MAX_LATE = 100_000  # entries of the index for one page, which are read ten times as fast as rows
MAX_SKIPPED = 1_000_000  # entries of the index, for a page without rows
# Numbers follow the times of arrival, except for calls that were sent to their actor once more after a stale commit.
SLACK_S = 1

FILTERS = """
(:type IS NULL OR type = :type) AND (:source IS NULL OR source_id = :source) AND (:status IS NULL OR status = :status)
AND (:after IS NULL OR inserted >= :after) AND (:before IS NULL OR inserted < :before)
AND (:created_after IS NULL OR created >= :created_after) AND (:created_before IS NULL OR created < :created_before)
"""
SEARCH_EVENTS = f"""
SELECT {EVENT_COLUMNS}, number FROM event WHERE number <= :start AND number > :floor AND {FILTERS}
ORDER BY number DESC LIMIT :limit
"""
# The index has the events that were not created when they arrived: those of clients that name a time.
LATE = "event INDEXED BY event_by_created WHERE created <> inserted AND created >= :from AND created < :to"
COUNT_LATE = f"SELECT count(*) FROM (SELECT 1 FROM {LATE} LIMIT :most)"
LATE_NUMBERS = f"SELECT number FROM {LATE} AND number <= :start AND number > :lowest ORDER BY number DESC LIMIT :most"
LAST_LATE_NUMBER = f"SELECT count(*), max(number) FROM (SELECT number FROM {LATE} AND number <= :start LIMIT :most)"
SEARCH_NUMBERS = f"""
WITH candidate (number) AS (
    SELECT value FROM json_each(:numbers) UNION SELECT number FROM event WHERE number <= :start AND number > :floor
)
SELECT {EVENT_COLUMNS}, number FROM event WHERE number IN candidate AND {FILTERS}
ORDER BY number DESC LIMIT :limit
"""
CREATED_IN_BLOCK = """
SELECT EXISTS (SELECT 1 FROM event WHERE number <= :start AND number > :floor AND created >= :from AND created < :to)
"""
# `SELECT min(number), max(number)` would read the whole table.
FIRST_AND_LAST_NUMBER = "SELECT (SELECT min(number) FROM event), (SELECT max(number) FROM event)"
Row = Sequence[Any]
Found = tuple[Sequence[Row], int | None]
"""The matching rows, which end with their number, and the cursor of the next page."""


def search(
    db: Any,
    sql: str,
    filters: Mapping[str, Any],
    numbers: tuple[int, int],
    request: PageRequest,
    most_examined: int | None = None,
) -> Found:
    """Run a search for one page. `numbers` are the first number to examine, and the one before the last."""
    start, lowest = numbers
    floor = max(start - (most_examined or MAX_EXAMINED), lowest)
    found = db.execute(sql, {**filters, "start": start, "floor": floor, "limit": request.limit})
    return _found(found, floor, lowest, request)


def bounded(found: Iterable[Row], max_bytes: int) -> tuple[list[Row], Row | None]:
    """The rows up to the one that exceeds `max_bytes`, and the row that follows, if any. Documents may be UTF-8."""
    rows: list[Row] = []
    size = 0
    for row in found:
        if size >= max_bytes:
            return rows, row
        rows.append([value if type(value) is not str or value.isascii() else _encoded(value) for value in row])
        size += sum([len(value) for value in rows[-1] if isinstance(value, TEXTS)])
    return rows, None


def _encoded(text: str) -> str | bytes:
    """A text that is not ASCII; a document as UTF-8, because as text it takes up to four bytes for each character."""
    return text.encode() if len(text) > MAX_SHORT_TEXT and text[0] in "{[" else text


def _found(found: Iterable[Row], floor: int, lowest: int, request: PageRequest) -> Found:
    """One page of the rows of a search that ended at `floor`."""
    rows, following = bounded(found, request.max_bytes)
    if following is not None:
        return rows, following[-1]
    below: int = rows[-1][-1] - 1 if len(rows) == request.limit else floor
    return rows, below if below > lowest else None


def first_number(request: PageRequest) -> int:
    """The first number that the page may contain."""
    return 2**62 if request.cursor is None else request.cursor


def search_events(db: Any, matching: EventFilter, request: PageRequest) -> Found:
    """The events of one page, the newest first."""
    first, last = next(db.execute(FIRST_AND_LAST_NUMBER))
    start, lowest = _arrived(db, matching.after, matching.before)
    start, lowest = min(first_number(request), last or 0, start), max((first or 1) - 1, lowest)
    filters = {name: getattr(matching, name) for name in matching.__struct_fields__}
    by_arrival = matching.created_after is None and matching.created_before is None
    if by_arrival or start - lowest <= MAX_EXAMINED:
        return search(db, SEARCH_EVENTS, filters, (start, lowest), request)
    created = {"from": matching.created_after or "", "to": matching.created_before or "~"}
    if db.execute(COUNT_LATE, {**created, "most": MAX_LATE + 1}).get <= MAX_LATE:
        return _search_with_index(db, filters | created, (start, lowest), request)
    rows, next_cursor = search(db, SEARCH_EVENTS, filters, (start, lowest), request)
    if not rows and next_cursor is not None:
        next_cursor = _skip(db, filters | created, start, next_cursor, lowest)
    return rows, next_cursor


def _search_with_index(db: Any, filters: Mapping[str, Any], numbers: tuple[int, int], request: PageRequest) -> Found:
    """Search for events by the time of their creation when few of them arrived later than they were created.

    The candidates are these, from the index, and all events that arrived between the two times.
    """
    start, lowest = numbers
    late = [number for (number,) in db.execute(LATE_NUMBERS, {**filters, **_span(start, lowest, MAX_EXAMINED)})]
    punctual_start, punctual_lowest = _arrived(db, filters["created_after"], filters["created_before"])
    punctual_start, punctual_lowest = min(start, punctual_start), max(lowest, punctual_lowest)
    punctual_floor = max(punctual_start - MAX_EXAMINED, punctual_lowest)
    floor = max(lowest, late[-1] - 1) if len(late) == MAX_EXAMINED else lowest
    if punctual_floor > punctual_lowest:
        floor = max(floor, punctual_floor)
    candidates = {
        "numbers": json_text([number for number in late if number > floor]),
        "start": punctual_start,
        "floor": max(floor, punctual_floor),
    }
    found = db.execute(SEARCH_NUMBERS, {**filters, **candidates, "limit": request.limit})
    return _found(found, floor, lowest, request)


def _skip(db: Any, filters: Mapping[str, Any], start: int, floor: int, lowest: int) -> int | None:
    """The cursor after a page without rows: the last number below `floor` that a matching event may have."""
    if db.execute(CREATED_IN_BLOCK, {**filters, "start": start, "floor": floor}).get:
        return floor  # other filters left these out
    late, last = next(db.execute(LAST_LATE_NUMBER, {**filters, **_span(floor, lowest, MAX_SKIPPED + 1)}))
    if late > MAX_SKIPPED:
        return floor
    punctual_start, punctual_lowest = _arrived(db, filters["created_after"], filters["created_before"])
    punctual = min(floor, punctual_start)
    following = max(last or 0, punctual if punctual > punctual_lowest else 0)
    return following if following > lowest else None


def _span(start: int, lowest: int, most: int) -> dict[str, int]:
    return {"start": start, "lowest": lowest, "most": most}


def _arrived(db: Any, after: str | None, before: str | None) -> tuple[int, int]:
    """The numbers of the events that arrived between two times: the last one, and the one before the first."""
    start = 2**62 if before is None else _number_at(db, before, SLACK_S) - 1
    return start, 0 if after is None else _number_at(db, after, -SLACK_S) - 1


def _number_at(db: Any, time: str, slack_s: int) -> int:
    """The number of the first event that arrived `slack_s` seconds after a time, or later."""
    with contextlib.suppress(OverflowError):
        time = timestamp(datetime.fromisoformat(time) + timedelta(seconds=slack_s))
    number: int = db.execute(NUMBER_AT_TIME, {"time": time}).get
    return number
