"""What is too old is deleted step by step, in the writer's transaction."""

from typing import Any

from trackd.core.changes import DeleteEvents, DeleteSessions, Deletion, Outcome
from trackd.storage.sqlite.connection import overwriting

FIRST_EVENTS = """
SELECT min(number) FILTER (WHERE inserted >= :before), max(number), count(*)
FROM (SELECT number, inserted FROM event ORDER BY number LIMIT :limit)
"""
DELETE_EVENT_IDS = """
DELETE FROM event_id WHERE (profile_id, id) IN (SELECT profile_id, id FROM event WHERE number < ?)
"""
DELETE_EVENTS = "DELETE FROM event WHERE number < ?"
NEXT_SESSIONS = """
SELECT max(rowid), count(*) FROM (SELECT rowid FROM session WHERE rowid > :after ORDER BY rowid LIMIT :limit)
"""
DELETE_SESSIONS = "DELETE FROM session WHERE rowid > :after AND rowid <= :last AND updated < :before"


class Retention:
    """Deletes on a connection that is in a transaction. `position`: where the walk through the sessions stopped.

    The times of sessions are rewritten with their calls: an index on them would cost each commit a page for each
    session. So all sessions are looked at, one after the other; a step that deletes nothing writes nothing.
    """

    def __init__(self) -> None:
        self.position = 0

    def delete(self, db: Any, deletion: Deletion) -> Outcome:
        with overwriting(db):
            match deletion:
                case DeleteEvents():
                    return self._events(db, deletion)
                case DeleteSessions():
                    return self._sessions(db, deletion)

    def _events(self, db: Any, step: DeleteEvents) -> Outcome:
        which = {"before": step.before, "limit": step.limit}
        younger, last, count = db.execute(FIRST_EVENTS, which).fetchone()
        if count > 0:
            end = last + 1 if younger is None else younger
            db.execute(DELETE_EVENT_IDS, (end,))
            db.execute(DELETE_EVENTS, (end,))
        return Outcome.STORED if younger is None and count == step.limit else Outcome.DONE

    def _sessions(self, db: Any, step: DeleteSessions) -> Outcome:
        after = {"after": self.position, "limit": step.limit}
        last, count = db.execute(NEXT_SESSIONS, after).fetchone()
        db.execute(DELETE_SESSIONS, {"after": self.position, "last": last, "before": step.before})
        is_end = count < step.limit
        self.position = 0 if is_end else last
        return Outcome.DONE if is_end else Outcome.STORED
