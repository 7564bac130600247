"""The sweeps of the retention, step by step: the same on each backend that has rows. Subclasses have the SQL.

A call rewrites its session's time, so an index on that time would cost each commit an entry for each session. Instead
the steps examine all sessions in the order of their rows; a step that finds nothing to delete writes nothing.
"""

from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from trackd.core.changes import Outcome
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, Swept

EXAMINED_ROWS = 10_000  # events at least, in a step that finds few to delete

Connection = TypeVar("Connection")


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


class Examined(NamedTuple):
    """What a step has found: `rows` of them, up to `last`; and those ahead of the clock, see `Swept`."""

    last: int | None
    rows: int
    ahead: int
    farthest: str
    last_old: int | None = None
    """The last event that can be deleted."""


class Retention(Generic[Connection]):
    """Deletes on a connection that is in a transaction. After a rollback the caller puts back `progress`."""

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
        last, rows = self.last_of_step(db, self.progress.end, step.limit)
        if rows < step.limit and not self.progress.has_end:
            self._find_old_events(db, step)
            last, rows = self.last_of_step(db, self.progress.end, step.limit)
        if last is not None:
            self.delete_events(db, last)
        progress = self.progress
        is_last = progress.has_end and rows < step.limit
        backlog = 0 if is_last else self.old_events(db, step.before)
        if is_last:  # the next sweep may have the same `before`
            self.progress = replace(progress, **START_OF_EVENTS)
            self.delete_refusals(db, step.before)
        swept = Swept(rows, backlog, progress.ahead, progress.farthest)
        return Outcome.DONE if is_last else Outcome.STORED, swept

    def _find_old_events(self, db: Connection, step: DeleteEvents) -> None:
        progress, limit = self.progress, max(step.limit, EXAMINED_ROWS)
        found = self.examine_events(db, step, progress.examined, limit)
        self.progress = replace(
            progress,
            examined=found.last or progress.examined,
            end=found.last_old or progress.end,
            has_end=found.rows < limit,
            ahead=progress.ahead + found.ahead,
            farthest=max(progress.farthest, found.farthest),
        )

    def _delete_sessions(self, db: Connection, step: DeleteSessions) -> tuple[Outcome, Swept]:
        progress = self.progress
        found = self.examine_sessions(db, step, progress.session)
        deleted = 0 if found.last is None else self.delete_sessions(db, progress.session, found.last, step.before)
        ahead, farthest = progress.sessions_ahead + found.ahead, max(progress.farthest_session, found.farthest)
        if found.last is None or found.rows < step.limit:
            self.delete_refusals(db, step.before)
            self.progress = replace(progress, session=0, sessions_ahead=0, farthest_session="")
            return Outcome.DONE, Swept(deleted, 0, ahead, farthest)
        self.progress = replace(progress, session=found.last, sessions_ahead=ahead, farthest_session=farthest)
        return Outcome.STORED, Swept(deleted, self.sessions_after(db, found.last), ahead, farthest)

    def last_of_step(self, db: Connection, end: int, limit: int) -> tuple[int | None, int]:
        """The number of the last of the oldest events up to `end`, `limit` at most, and how many they are."""
        raise NotImplementedError

    def examine_events(self, db: Connection, step: DeleteEvents, after: int, limit: int) -> Examined:
        """Examine the events after a number, up to the first one that is neither old nor ahead of the clock."""
        raise NotImplementedError

    def delete_events(self, db: Connection, last: int) -> None:
        """Delete the events up to a number."""
        raise NotImplementedError

    def old_events(self, db: Connection, before: str) -> int:
        """About how many old events there are."""
        raise NotImplementedError

    def examine_sessions(self, db: Connection, step: DeleteSessions, after: int) -> Examined:
        """Examine the sessions after a row."""
        raise NotImplementedError

    def delete_sessions(self, db: Connection, after: int, last: int, before: str) -> int:
        """Delete the old sessions after a row up to another one. Returns their number."""
        raise NotImplementedError

    def sessions_after(self, db: Connection, last: int) -> int:
        """About how many sessions follow a row."""
        raise NotImplementedError

    def delete_refusals(self, db: Connection, before: str) -> None:
        raise NotImplementedError
