"""Retention: the deletion of old events and sessions, one bounded step per transaction of the writer."""

from trackd.core.retention_changes import LATEST, DeleteEvents, DeleteSessions
from trackd.storage import retention
from trackd.storage.postgres.bulk import found_by
from trackd.storage.postgres.connection import Connection, text_of
from trackd.storage.postgres.refusals import delete_refusals
from trackd.storage.retention import Examined

MOST_COUNTED = 100_000  # events, for the report of how many are left

# The events before the first one that is neither old nor ahead of the clock.
EXAMINE_EVENTS = f"""
WITH examined AS MATERIALIZED (
    SELECT number, inserted FROM event WHERE number > %(after)s ORDER BY number LIMIT %(rows)s
)
SELECT max(number) FILTER (WHERE inserted < %(before)s::timestamptz), max(number), count(*),
    count(*) FILTER (WHERE inserted > %(latest)s::timestamptz),
    {text_of("max(inserted) FILTER (WHERE inserted > %(latest)s::timestamptz)")}
FROM examined WHERE number < coalesce((
    SELECT min(number) FROM examined
    WHERE inserted >= %(before)s::timestamptz AND inserted <= %(latest)s::timestamptz
), 9223372036854775807)
"""
LAST_OF_STEP = """
SELECT max(number), count(*) FROM (SELECT number FROM event WHERE number <= %s ORDER BY number LIMIT %s) AS step
"""
DELETE_EVENT_IDS = f"""
DELETE FROM event_id USING event WHERE event.number <= %s AND {found_by("event_id", "profile_id", "id", given="event")}
"""
DELETE_EVENTS = "DELETE FROM event WHERE number <= %s"
NOTE_DELETED = "UPDATE event_numbers SET deleted_up_to = greatest(deleted_up_to, %s)"  # for the feed
COUNT_OLD = f"""
SELECT count(*) FROM (SELECT inserted FROM event ORDER BY number LIMIT {MOST_COUNTED}) AS first
WHERE inserted < %s::timestamptz
"""
EXAMINE_SESSIONS = f"""
SELECT max(number), count(*), count(*) FILTER (WHERE updated > %(latest)s::timestamptz),
    {text_of("max(updated) FILTER (WHERE updated > %(latest)s::timestamptz)")}
FROM (SELECT number, updated FROM session WHERE number > %(after)s ORDER BY number LIMIT %(limit)s) AS examined
"""
DELETE_SESSIONS = "DELETE FROM session WHERE number > %s AND number <= %s AND updated < %s::timestamptz"
COUNT_SESSIONS = f"""
SELECT count(*) FROM (SELECT 1 FROM session WHERE number > %s LIMIT {MOST_COUNTED}) AS others
"""


class Retention(retention.Retention[Connection]):
    def last_of_step(self, db: Connection, end: int, limit: int) -> tuple[int | None, int]:
        [(last, rows)] = db.rows(LAST_OF_STEP, [end, limit])
        return last, rows

    def examine_events(self, db: Connection, step: DeleteEvents, after: int, limit: int) -> Examined:
        parameters = {"after": after, "rows": limit, "before": step.before, "latest": moment(step.latest)}
        [(last_old, last, rows, ahead, farthest)] = db.rows(EXAMINE_EVENTS, parameters)
        return Examined(last, rows, ahead, farthest or "", last_old)

    def delete_events(self, db: Connection, last: int) -> None:
        for statement in (DELETE_EVENT_IDS, DELETE_EVENTS, NOTE_DELETED):
            db.run(statement, [last])

    def old_events(self, db: Connection, before: str) -> int:
        return int(db.rows(COUNT_OLD, [before])[0][0])

    def examine_sessions(self, db: Connection, step: DeleteSessions, after: int) -> Examined:
        parameters = {"after": after, "limit": step.limit, "latest": moment(step.latest)}
        [(last, rows, ahead, farthest)] = db.rows(EXAMINE_SESSIONS, parameters)
        return Examined(last, rows, ahead, farthest or "")

    def delete_sessions(self, db: Connection, after: int, last: int, before: str) -> int:
        return db.run(DELETE_SESSIONS, [after, last, before])

    def sessions_after(self, db: Connection, last: int) -> int:
        return int(db.rows(COUNT_SESSIONS, [last])[0][0])

    def delete_refusals(self, db: Connection, before: str) -> None:
        delete_refusals(db, before)


def moment(latest: str) -> str:
    """The text of a time, which may be LATEST, as PostgreSQL reads it."""
    return "infinity" if latest == LATEST else latest
