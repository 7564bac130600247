"""Retention: the deletion of old events and sessions, one bounded step per transaction of the writer."""

from msgspec import Struct
from msgspec.structs import replace

from trackd.core.changes import Outcome
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, Swept
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.event_chain import NUMBER_AT_TIME
from trackd.storage.sqlite.refusals import delete_refusals

EXAMINED_ROWS = 10_000  # of events at once: a step examines more than it deletes, to pass those ahead of the clock

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


class Progress(Struct, frozen=True):
    """How far the sweeps have come, between their steps."""

    before: str = ""
    """That of the sweep of events."""
    examined: int = 0
    """The number of the last event that was examined: all up to it are old or ahead of the clock."""
    end: int = 0
    """The number of the last event that can be deleted."""
    has_end: bool = False
    """Whether an event that stays was found, or the last one."""
    ahead: int = 0
    farthest: str = ""
    """See `Swept`, for the events."""
    session: int = 0
    """The row up to which sessions are scanned."""
    sessions_ahead: int = 0
    farthest_session: str = ""


class Retention:
    """Deletes on a connection that is in a transaction. After a rollback the caller puts back `progress`.

    A call rewrites its session's time, so an index on that time would cost each commit a page for each session. Instead
    the steps examine all sessions in the order of their rows; a step that finds nothing to delete writes nothing.
    """

    def __init__(self) -> None:
        self.progress = Progress()

    def delete(self, db: Connection, deletion: Deletion) -> tuple[Outcome, Swept]:
        """Run one step. The outcome is STORED when another step is due, DONE after the last one."""
        match deletion:
            case DeleteEvents():
                return self._delete_events(db, deletion)
            case DeleteSessions():
                return self._delete_sessions(db, deletion)

    def _delete_events(self, db: Connection, step: DeleteEvents) -> tuple[Outcome, Swept]:
        if step.before != self.progress.before:
            self.progress = replace(self.progress, before=step.before, **START_OF_EVENTS)
        last, rows = next(db.execute(LAST_OF_STEP, (self.progress.end, step.limit)))
        if rows < step.limit and not self.progress.has_end:
            self._examine_events(db, step)
            last, rows = next(db.execute(LAST_OF_STEP, (self.progress.end, step.limit)))
        if rows:
            db.execute(DELETE_EVENT_IDS, (last,))
            db.execute(DELETE_EVENTS, (last,))
            db.execute(NOTE_DELETED, (last,))
        progress = self.progress
        is_last = progress.has_end and rows < step.limit
        backlog = 0 if is_last else _old_events(db, step.before)
        if is_last:  # the next sweep may have the same `before`
            self.progress = replace(progress, **START_OF_EVENTS)
            delete_refusals(db, step.before)
        swept = Swept(rows, backlog, progress.ahead, progress.farthest)
        return Outcome.DONE if is_last else Outcome.STORED, swept

    def _examine_events(self, db: Connection, step: DeleteEvents) -> None:
        progress, limit = self.progress, max(step.limit, EXAMINED_ROWS)
        parameters = {"after": progress.examined, "rows": limit, "before": step.before, "latest": step.latest}
        last_old, last, count, ahead, farthest = next(db.execute(EXAMINE_EVENTS, parameters))
        self.progress = replace(
            progress,
            examined=last or progress.examined,
            end=last_old or progress.end,
            has_end=count < limit,
            ahead=progress.ahead + ahead,
            farthest=max(progress.farthest, _text(farthest)),
        )

    def _delete_sessions(self, db: Connection, step: DeleteSessions) -> tuple[Outcome, Swept]:
        progress = self.progress
        examined = {"after": progress.session, "limit": step.limit, "latest": step.latest}
        last, count, ahead, farthest = next(db.execute(EXAMINE_SESSIONS, examined))
        db.execute(DELETE_SESSIONS, {"after": progress.session, "last": last, "before": step.before})
        deleted = db.changes()
        ahead, farthest = progress.sessions_ahead + ahead, max(progress.farthest_session, _text(farthest))
        if count < step.limit:
            delete_refusals(db, step.before)
            self.progress = replace(progress, session=0, sessions_ahead=0, farthest_session="")
            return Outcome.DONE, Swept(deleted, 0, ahead, farthest)
        self.progress = replace(progress, session=last, sessions_ahead=ahead, farthest_session=farthest)
        left = (db.execute(LAST_SESSION).get or last) - last
        return Outcome.STORED, Swept(deleted, left, ahead, farthest)


START_OF_EVENTS = {"examined": 0, "end": 0, "has_end": False, "ahead": 0, "farthest": ""}


def _text(in_hex: str) -> str:
    """A time from the file, which may be damaged."""
    return bytes.fromhex(in_hex).decode(errors="replace")


def _old_events(db: Connection, before: str) -> int:
    """About how many old events there are: most of their numbers are in the order of their times."""
    first, end = db.execute(FIRST_NUMBER).get, db.execute(NUMBER_AT_TIME, {"time": before}).get
    return 0 if first is None else max(end - first, 0)
