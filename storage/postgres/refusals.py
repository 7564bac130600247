"""Refusals in a PostgreSQL database. All but the searches are within a transaction of the caller."""

from collections.abc import Iterable, Iterator

from trackd.core.encoding import reencode
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.feed import FeedFilter
from trackd.storage.listings import PageRequest, RefusalFilter
from trackd.storage.postgres.bulk import Rows
from trackd.storage.postgres.connection import Connection, Row, text_of

FIELDS = Refusal.__struct_fields__
KINDS = {"time": "timestamptz", "status": "integer", "faults": "json", "left_out": "bigint"}
SELECTED = {"time": text_of("time"), "faults": "faults::text"}
COLUMNS = ", ".join(SELECTED.get(name, name) for name in FIELDS)
"""Those of `Refusal`, as SQL that selects their texts."""
PUT = Rows(
    [(name, KINDS.get(name, "text")) for name in FIELDS],
    "INSERT INTO refusal (number, {names}) SELECT %(used)s + place, {names} FROM {given}",
)
# The lock on this row puts the commits of refusals in the order of their numbers.
USE_NUMBERS = "UPDATE refusal_numbers SET used_up_to = used_up_to + %s RETURNING used_up_to - %s"
DELETE_OLDEST = "DELETE FROM refusal WHERE number <= (SELECT max(number) FROM refusal) - %s"
DELETE_BODIES = "UPDATE refusal SET body = NULL WHERE body IS NOT NULL"
DELETE_BEFORE = "DELETE FROM refusal WHERE time < %s::timestamptz"
# Reads all of them: they are few. A body is searched for the ids as texts in JSON.
CLEAR = """
UPDATE refusal SET network = NULL, event_id = NULL, profile_id = NULL, session_id = NULL, faults = '[]', body = NULL
WHERE profile_id = ANY(%(profiles)b)
OR session_id IN (SELECT id FROM session WHERE profile_id = ANY(%(profiles)b))
OR EXISTS (SELECT 1 FROM unnest(%(texts)b::text[]) AS text WHERE strpos(body, text) > 0)
"""
FILTERS = """
(%(type)s::text IS NULL OR event_type = %(type)s) AND (%(source)s::text IS NULL OR source_id = %(source)s)
AND (%(profile)s::text IS NULL OR profile_id = %(profile)s) AND (%(session)s::text IS NULL OR session_id = %(session)s)
"""
SEARCH = f"""
SELECT {COLUMNS}, number FROM refusal WHERE number <= %(start)s AND {FILTERS}
AND (%(status)s::integer IS NULL OR status = %(status)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
AND (%(after)s::text IS NULL OR time >= %(after)s::timestamptz)
AND (%(before)s::text IS NULL OR time < %(before)s::timestamptz)
ORDER BY number DESC LIMIT %(limit)s + 1
"""
FIRST_REFUSAL = "SELECT min(number) FROM refusal"
AFTER = f"""
SELECT {COLUMNS}, number FROM refusal WHERE number > %(begin)s AND number <= %(last)s AND {FILTERS}
ORDER BY number LIMIT %(limit)s
"""


def put_refusals(db: Connection, change: PutRefusals) -> bool:
    """Add refusals, and delete all but the newest. It is always written."""
    [(used,)] = db.rows(USE_NUMBERS, [len(change.refusals)] * 2)
    PUT.run(db, [tuple(getattr(refusal, name) for name in FIELDS) for refusal in change.refusals], used=used)
    db.run(DELETE_OLDEST, [change.keep])
    if not change.bodies:
        db.run(DELETE_BODIES)
    return True


def clear_refusals(db: Connection, profile_ids: Iterable[str]) -> None:
    """Delete everything in refusals that leads to profiles, whose sessions are still stored."""
    ids = list(profile_ids)
    db.run(CLEAR, {"profiles": ids, "texts": [reencode(key) for key in ids]})


def delete_refusals(db: Connection, before: str) -> None:
    """Delete those of calls that arrived earlier."""
    db.run(DELETE_BEFORE, [before])


def search_refusals(db: Connection, matching: RefusalFilter, request: PageRequest) -> Iterator[Row]:
    """The rows of a page, the newest first, and one more."""
    filters = {name: getattr(matching, name) for name in matching.__struct_fields__}
    start = 2**62 if request.cursor is None else request.cursor
    return db.stream(SEARCH, {**filters, "start": start, "limit": request.limit})


def refusals_after(db: Connection, matching: FeedFilter, begin: int, last: int, limit: int) -> Iterator[Row]:
    """The rows with the numbers after `begin` up to `last`, the oldest first."""
    filters = {name: getattr(matching, name) for name in ("type", "source", "profile", "session")}
    return db.stream(AFTER, {**filters, "begin": begin, "last": last, "limit": limit})
