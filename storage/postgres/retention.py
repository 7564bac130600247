"""Retention: the deletion of old events and sessions, one bounded step per transaction of the writer."""

from msgspec import Struct
from msgspec.structs import replace

from trackd.core.changes import Outcome
from trackd.core.retention_changes import LATEST, DeleteEvents, DeleteSessions, Deletion, Swept
from trackd.storage.postgres.connection import Connection, text_of
from trackd.storage.postgres.refusals import delete_refusals

EXAMINED_ROWS = 10_000  # of events at once: a step examines more than it deletes, to pass those ahead of the clock
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
DELETE_EVENT_IDS = """
DELETE FROM event_id USING event
WHERE event.number <= %s AND event_id.profile_id = event.profile_id AND event_id.id = event.id
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


START_OF_EVENTS = {"examined": 0, "end": 0, "has_end": False, "ahead": 0, "farthest": ""}


class Retention:
    """Deletes on a connection that is in a transaction. After a rollback the caller restores `progress`.

    A call rewrites its session's time, so an index on that time would cost each commit an entry for each session.
    Instead the steps examine all sessions in the order of their rows.
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
        [(last, rows)] = db.rows(LAST_OF_STEP, [self.progress.end, step.limit])
        if rows < step.limit and not self.progress.has_end:
            self._examine_events(db, step)
            [(last, rows)] = db.rows(LAST_OF_STEP, [self.progress.end, step.limit])
        if rows:
            db.run(DELETE_EVENT_IDS, [last])
            db.run(DELETE_EVENTS, [last])
            db.run(NOTE_DELETED, [last])
        progress = self.progress
        is_last = progress.has_end and rows < step.limit
        backlog = 0 if is_last else db.rows(COUNT_OLD, [step.before])[0][0]
        if is_last:  # the next sweep may have the same `before`
            self.progress = replace(progress, **START_OF_EVENTS)
            delete_refusals(db, step.before)
        swept = Swept(rows, backlog, progress.ahead, progress.farthest)
        return Outcome.DONE if is_last else Outcome.STORED, swept

    def _examine_events(self, db: Connection, step: DeleteEvents) -> None:
        progress, limit = self.progress, max(step.limit, EXAMINED_ROWS)
        parameters = {"after": progress.examined, "rows": limit, "before": step.before, "latest": _moment(step.latest)}
        [(last_old, last, count, ahead, farthest)] = db.rows(EXAMINE_EVENTS, parameters)
        self.progress = replace(
            progress,
            examined=last or progress.examined,
            end=last_old or progress.end,
            has_end=count < limit,
            ahead=progress.ahead + ahead,
            farthest=max(progress.farthest, farthest or ""),
        )

    def _delete_sessions(self, db: Connection, step: DeleteSessions) -> tuple[Outcome, Swept]:
        progress = self.progress
        examined = {"after": progress.session, "limit": step.limit, "latest": _moment(step.latest)}
        [(last, count, ahead, farthest)] = db.rows(EXAMINE_SESSIONS, examined)
        deleted = db.run(DELETE_SESSIONS, [progress.session, last, step.before]) if count else 0
        ahead, farthest = progress.sessions_ahead + ahead, max(progress.farthest_session, farthest or "")
        if count < step.limit:
            delete_refusals(db, step.before)
            self.progress = replace(progress, session=0, sessions_ahead=0, farthest_session="")
            return Outcome.DONE, Swept(deleted, 0, ahead, farthest)
        self.progress = replace(progress, session=last, sessions_ahead=ahead, farthest_session=farthest)
        [(left,)] = db.rows(COUNT_SESSIONS, [last])
        return Outcome.STORED, Swept(deleted, left, ahead, farthest)


def _moment(latest: str) -> str:
    return "infinity" if latest == LATEST else latest
