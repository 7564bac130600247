"""Retention: the deletion of old events and sessions, one bounded step per transaction of the writer."""

from trackd.core.changes import DeleteEvents, DeleteSessions, Deletion, Outcome
from trackd.storage.sqlite.connection import Connection

EXAMINE_EVENTS = """
SELECT min(number) FILTER (WHERE inserted >= :before), max(number), count(*)
FROM (SELECT number, inserted FROM event ORDER BY number LIMIT :limit)
"""
DELETE_EVENT_IDS = """
DELETE FROM event_id WHERE (profile_id, id) IN (SELECT profile_id, id FROM event WHERE number < ?)
"""
DELETE_EVENTS = "DELETE FROM event WHERE number < ?"
EXAMINE_SESSIONS = """
SELECT max(rowid), count(*) FROM (SELECT rowid FROM session WHERE rowid > :after ORDER BY rowid LIMIT :limit)
"""
DELETE_SESSIONS = "DELETE FROM session WHERE rowid > :after AND rowid <= :last AND updated < :before"


class Retention:
    """Deletes on a connection that is in a transaction. `position` is the row up to which sessions are examined.

    A call rewrites its session's time, so an index on that time would cost each commit a page for each session. Instead
    the steps examine all sessions in the order of their rows; a step that finds nothing to delete writes nothing.
    """

    def __init__(self) -> None:
        self.position = 0

    def delete(self, db: Connection, deletion: Deletion) -> Outcome:
        """Run one step. Returns STORED when another step is due, DONE after the last one."""
        match deletion:
            case DeleteEvents():
                return self._delete_events(db, deletion)
            case DeleteSessions():
                return self._delete_sessions(db, deletion)

    def _delete_events(self, db: Connection, step: DeleteEvents) -> Outcome:
        examined = {"before": step.before, "limit": step.limit}
        first_kept, last, count = next(db.execute(EXAMINE_EVENTS, examined))
        if count > 0:
            end = last + 1 if first_kept is None else first_kept
            db.execute(DELETE_EVENT_IDS, (end,))
            db.execute(DELETE_EVENTS, (end,))
        return Outcome.STORED if first_kept is None and count == step.limit else Outcome.DONE

    def _delete_sessions(self, db: Connection, step: DeleteSessions) -> Outcome:
        examined = {"after": self.position, "limit": step.limit}
        last, count = next(db.execute(EXAMINE_SESSIONS, examined))
        db.execute(DELETE_SESSIONS, {"after": self.position, "last": last, "before": step.before})
        is_end = count < step.limit
        self.position = 0 if is_end else last
        return Outcome.DONE if is_end else Outcome.STORED
