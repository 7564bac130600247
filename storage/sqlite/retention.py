"""Retention: the deletion of old events and sessions, one bounded step per transaction of the writer."""

from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.storage import retention
from trackd.storage.retention import Examined
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.event_chain import NUMBER_AT_TIME
from trackd.storage.sqlite.refusals import delete_refusals

# The events before the first one that is neither old nor ahead of the clock; all columns of a row are on few pages.
EXAMINE_EVENTS = """
WITH examined AS MATERIALIZED (
    SELECT number, inserted FROM event WHERE number > :after ORDER BY number LIMIT :rows
)
SELECT max(number) FILTER (WHERE inserted < :before), max(number), count(*),
    count(*) FILTER (WHERE inserted > :latest), hex(max(inserted) FILTER (WHERE inserted > :latest))
FROM examined WHERE number < ifnull(
    (SELECT min(number) FROM examined WHERE inserted >= :before AND inserted <= :latest), 9223372036854775807
)
"""
LAST_OF_STEP = "SELECT max(number), count(*) FROM (SELECT number FROM event WHERE number <= ? ORDER BY number LIMIT ?)"
DELETE_EVENT_IDS = """
DELETE FROM event_id WHERE (profile_id, id) IN (SELECT profile_id, id FROM event WHERE number <= ?)
"""
DELETE_EVENTS = "DELETE FROM event WHERE number <= ?"
NOTE_DELETED = "UPDATE event_numbers SET deleted_up_to = max(deleted_up_to, ?)"  # for the feed
FIRST_NUMBER = "SELECT min(number) FROM event"
EXAMINE_SESSIONS = """
SELECT max(rowid), count(*), count(*) FILTER (WHERE updated > :latest),
    hex(max(updated) FILTER (WHERE updated > :latest))
FROM (SELECT rowid, updated FROM session WHERE rowid > :after ORDER BY rowid LIMIT :limit)
"""
DELETE_SESSIONS = "DELETE FROM session WHERE rowid > :after AND rowid <= :last AND updated < :before"
LAST_SESSION = "SELECT max(rowid) FROM session"


class Retention(retention.Retention[Connection]):
    def last_of_step(self, db: Connection, end: int, limit: int) -> tuple[int | None, int]:
        last, rows = next(db.execute(LAST_OF_STEP, (end, limit)))
        return last, rows

    def examine_events(self, db: Connection, step: DeleteEvents, after: int, limit: int) -> Examined:
        parameters = {"after": after, "rows": limit, "before": step.before, "latest": step.latest}
        last_old, last, rows, ahead, farthest = next(db.execute(EXAMINE_EVENTS, parameters))
        return Examined(last, rows, ahead, _text(farthest), last_old)

    def delete_events(self, db: Connection, last: int) -> None:
        for statement in (DELETE_EVENT_IDS, DELETE_EVENTS, NOTE_DELETED):
            db.execute(statement, (last,))

    def old_events(self, db: Connection, before: str) -> int:
        """Most of their numbers are in the order of their times."""
        first, end = db.execute(FIRST_NUMBER).get, db.execute(NUMBER_AT_TIME, {"time": before}).get
        return 0 if first is None else max(end - first, 0)

    def examine_sessions(self, db: Connection, step: DeleteSessions, after: int) -> Examined:
        parameters = {"after": after, "limit": step.limit, "latest": step.latest}
        last, rows, ahead, farthest = next(db.execute(EXAMINE_SESSIONS, parameters))
        return Examined(last, rows, ahead, _text(farthest))

    def delete_sessions(self, db: Connection, after: int, last: int, before: str) -> int:
        db.execute(DELETE_SESSIONS, {"after": after, "last": last, "before": before})
        return db.changes()

    def sessions_after(self, db: Connection, last: int) -> int:
        return (db.execute(LAST_SESSION).get or last) - last

    def delete_refusals(self, db: Connection, before: str) -> None:
        delete_refusals(db, before)


def _text(in_hex: str) -> str:
    """A time from the file, which may be damaged."""
    return bytes.fromhex(in_hex).decode(errors="replace")
