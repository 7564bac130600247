"""Pages of lists: rows, the newest first, up to a limit of documents, of bytes, and of rows that are examined."""

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from trackd.core.documents import timestamp
from trackd.storage.listings import PageRequest
from trackd.storage.postgres.connection import Connection, Row

MAX_EXAMINED = 10_000  # rows for one page: bounds the time that it takes
# Numbers follow the times of arrival, except for calls that were sent to their actor once more after a stale commit,
# and for those of several nodes that commit at the same time.
SLACK_S = 5
LARGEST = 2**62
NTH_BELOW = "SELECT number FROM {table} WHERE number <= %s ORDER BY number DESC OFFSET %s LIMIT 1"
# The number of the first event that arrived at a time or later, by bisection: there is no index on times of arrival.
NUMBER_AT_TIME = """
WITH RECURSIVE between_numbers (low, high) AS (
    SELECT coalesce((SELECT min(number) FROM event), 0), coalesce((SELECT max(number) FROM event), 0) + 1
    UNION ALL
    SELECT CASE WHEN is_earlier THEN middle + 1 ELSE low END, CASE WHEN is_earlier THEN high ELSE middle END
    FROM between_numbers, LATERAL (SELECT (low + high) / 2 AS middle) AS half, LATERAL (
        SELECT (
            SELECT inserted < %s::timestamptz FROM event WHERE number >= middle ORDER BY number LIMIT 1
        ) AS is_earlier
    ) AS comparison WHERE low < high
)
SELECT max(low) FROM between_numbers
"""


class Found(NamedTuple):
    """The rows of a page, which end with their number, and the number at which the next one begins."""

    rows: Sequence[Row]
    next: int | None


def bounded(rows: Iterable[Row], limit: int, max_bytes: int, floor: int | None = None) -> Found:
    """The rows of one page. `floor` is where the next one begins when there are no more."""
    found: list[Row] = []
    size = 0
    for row in rows:
        if len(found) == limit or size >= max_bytes:
            return Found(found, row[-1])
        found.append(row)
        size += sum([len(value) for value in row if isinstance(value, str)])
    return Found(found, floor)


def first_number(request: PageRequest) -> int:
    """The first number that the page may contain."""
    return LARGEST if request.cursor is None else request.cursor


def floor_of(db: Connection, table: str, start: int) -> int | None:
    """The number of the first row that the page which begins at `start` does not examine; None if it examines all."""
    for (number,) in db.rows(NTH_BELOW.format(table=table), [start, MAX_EXAMINED]):
        return int(number)
    return None


def arrived(db: Connection, after: str | None, before: str | None) -> tuple[int, int]:
    """The numbers of the events that arrived between two times: the last one, and the one before the first."""
    start = LARGEST if before is None else _number_at(db, before, SLACK_S) - 1
    return start, 0 if after is None else _number_at(db, after, -SLACK_S) - 1


def _number_at(db: Connection, time: str, slack_s: int) -> int:
    with contextlib.suppress(OverflowError):
        time = timestamp(datetime.fromisoformat(time) + timedelta(seconds=slack_s))
    [(number,)] = db.rows(NUMBER_AT_TIME, [time])
    return int(number)
