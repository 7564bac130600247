"""The deletions that the retention settings require, and the clock that they may follow. Pure.

A wrong clock must not delete everything. Time that passes while the server runs is trusted, and at the start the time
of the newest stored row, or of the last server. A clock that is far ahead of the trusted time stops the retention,
until a person confirms it or it is set right.
"""

from datetime import UTC, datetime, timedelta

from trackd.config.settings import Retention
from trackd.core.documents import timestamp
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, RetentionStop, Swept

PAUSE_S = 60.0
MAX_AHEAD = timedelta(days=30)
TRUSTED_EVERY = timedelta(days=1)  # a trusted clock is written so often
SLACK = timedelta(minutes=1)  # calls that arrive while a step waits are not ahead of its clock
STEP_S = 0.02  # calls wait while one step is written
MIN_STEP_ROWS, MAX_STEP_ROWS = 100, 20_000
MAX_SCAN_SHARE = 0.05
SECONDS, DATE = len("2026-01-31T12:00:00"), len("2026-01-31")


def steps(retention: Retention, now: datetime) -> list[Deletion]:
    """The first step of each deletion that the settings require."""
    deletions: list[Deletion] = []
    latest = latest_time(now)
    if retention.events_keep_days:
        deletions.append(DeleteEvents(_before(now, retention.events_keep_days), latest=latest))
    if retention.sessions_keep_days:
        deletions.append(DeleteSessions(_before(now, retention.sessions_keep_days), latest=latest))
    return deletions


def latest_time(now: datetime) -> str:
    """Rows with a time after this timestamp are ahead of the clock."""
    return timestamp(now + SLACK)


def next_limit(limit: int, seconds: float) -> int:
    """The rows of the next step, after one with `limit` rows took so long."""
    fitting = int(limit * STEP_S / seconds) if seconds > 0 else limit
    return min(max(fitting, MIN_STEP_ROWS), 2 * limit, MAX_STEP_ROWS)


def is_full(step: Deletion, swept: Swept) -> bool:
    """Whether the step had as much to do as its limit allows, so that its time shows how many rows fit."""
    return isinstance(step, DeleteSessions) or swept.deleted == step.limit


def pause_s(kind: type[Deletion], busy_s: float) -> float:
    """Seconds to wait after a sweep whose steps took `busy_s` in all. A scan of all sessions may take long."""
    return max(PAUSE_S, busy_s / MAX_SCAN_SHARE) if kind is DeleteSessions else PAUSE_S


def trusted_time(now: datetime, newest: str | None, stop: RetentionStop) -> datetime:
    """The time that is trusted at the start, from the newest row that is not ahead of the clock and the stored stop.

    When all rows are ahead, `newest` is the newest of these: a machine may get the time only after the start.
    """
    if (stopped := _moment(stop.after)) is not None:
        return stopped
    known = [moment for moment in map(_moment, (newest, stop.confirmed, stop.trusted)) if moment is not None]
    passed = [moment for moment in known if moment <= now + SLACK]
    return max(passed or known, default=now)


def is_far_ahead(now: datetime, trusted: datetime) -> bool:
    """Whether the clock stops the retention."""
    return now - trusted > MAX_AHEAD


def is_time(text: str) -> bool:
    """Whether a text of the store is a time: another tool, or a damaged disk, may have changed it."""
    return _moment(text) is not None


def _moment(time: str | None) -> datetime | None:
    """None for a text that is no time: another tool may have written it. The beginning of a damaged one counts."""
    for length in (None, SECONDS, DATE):
        try:
            moment = datetime.fromisoformat(time[:length]) if time is not None else None
        except (ValueError, TypeError):
            continue
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _before(now: datetime, days: int) -> str:
    return timestamp(now - timedelta(days=days))
