"""Refusals in an SQLite file. All but the search is within a transaction of the caller."""

from collections.abc import Iterable
from typing import Any

from trackd.core.encoding import reencode
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.feed import FeedFilter
from trackd.storage.listings import PageRequest, RefusalFilter
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.searching import first_number

FIELDS = Refusal.__struct_fields__
COLUMNS = ", ".join(FIELDS)
PUT = BulkInsert("refusal", FIELDS)
DELETE_OLDEST = "DELETE FROM refusal WHERE number <= (SELECT max(number) FROM refusal) - ?"
DELETE_BODIES = "UPDATE refusal SET body = NULL WHERE body IS NOT NULL"
DELETE_BEFORE = "DELETE FROM refusal WHERE time < ?"
# Reads all of them: they are few. A body is searched for the ids as texts in JSON.
CLEAR = """
UPDATE refusal SET network = NULL, event_id = NULL, profile_id = NULL, session_id = NULL, faults = '[]', body = NULL
WHERE profile_id IN (SELECT value FROM json_each(:profiles))
OR session_id IN (SELECT id FROM session WHERE profile_id IN (SELECT value FROM json_each(:profiles)))
OR EXISTS (SELECT 1 FROM json_each(:texts) WHERE instr(body, value))
"""
SEARCH = f"""
SELECT {COLUMNS}, number FROM refusal WHERE number <= :start
AND (:source IS NULL OR source_id = :source) AND (:status IS NULL OR status = :status)
AND (:reason IS NULL OR reason = :reason) AND (:type IS NULL OR event_type = :type)
AND (:profile IS NULL OR profile_id = :profile) AND (:session IS NULL OR session_id = :session)
AND (:after IS NULL OR time >= :after) AND (:before IS NULL OR time < :before)
ORDER BY number DESC LIMIT :limit + 1
"""
# The highest number that a refusal has or had.
LAST_REFUSAL = """
SELECT max(
    coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'refusal'), 0),
    coalesce((SELECT max(number) FROM refusal), 0)
)
"""
FIRST_REFUSAL = "SELECT min(number) FROM refusal"
AFTER = f"""
SELECT {COLUMNS}, number FROM refusal WHERE number > :begin AND number <= :last
AND (:type IS NULL OR event_type = :type) AND (:source IS NULL OR source_id = :source)
AND (:profile IS NULL OR profile_id = :profile) AND (:session IS NULL OR session_id = :session)
ORDER BY number LIMIT :limit
"""


def put_refusals(db: Connection, change: PutRefusals) -> bool:
    """Add refusals, and delete all but the newest. It is always written."""
    PUT.run(db, [tuple(getattr(refusal, name) for name in FIELDS) for refusal in change.refusals])
    db.execute(DELETE_OLDEST, (change.keep,))
    if not change.bodies:
        db.execute(DELETE_BODIES)
    return True


def clear_refusals(db: Connection, profile_ids: Iterable[str]) -> None:
    """Delete everything in refusals that leads to profiles, whose sessions are still stored."""
    ids = list(profile_ids)
    db.execute(CLEAR, {"profiles": reencode(ids), "texts": reencode([reencode(key) for key in ids])})


def delete_refusals(db: Connection, before: str) -> None:
    """Delete those of calls that arrived earlier."""
    db.execute(DELETE_BEFORE, (before,))


def search_refusals(db: Any, matching: RefusalFilter, request: PageRequest) -> Any:
    """The rows of a page, the newest first, and one more."""
    filters = {name: getattr(matching, name) for name in matching.__struct_fields__}
    return db.execute(SEARCH, {**filters, "start": first_number(request), "limit": request.limit})


def refusals_after(db: Any, matching: FeedFilter, begin: int, last: int, limit: int) -> Any:
    """The rows with the numbers after `begin` up to `last`, the oldest first."""
    filters = {name: getattr(matching, name) for name in ("type", "source", "profile", "session")}
    return db.execute(AFTER, {**filters, "begin": begin, "last": last, "limit": limit})
