"""The deletions that the retention settings require. Pure."""

from datetime import datetime, timedelta

from trackd.config.settings import Retention
from trackd.core.changes import DeleteEvents, DeleteSessions, Deletion, Outcome
from trackd.core.documents import timestamp

PAUSE_S = 60.0


def steps(retention: Retention, now: datetime) -> list[Deletion]:
    """The next step of each deletion that the settings require."""
    deletions: list[Deletion] = []
    if retention.events_keep_days:
        deletions.append(DeleteEvents(_before(now, retention.events_keep_days)))
    if retention.sessions_keep_days:
        deletions.append(DeleteSessions(_before(now, retention.sessions_keep_days)))
    return deletions


def pause_s(outcome: Outcome) -> float:
    """Seconds to wait after a step. A step that left more to delete is followed by the next one at once."""
    return 0.0 if outcome is Outcome.STORED else PAUSE_S


def _before(now: datetime, days: int) -> str:
    return timestamp(now - timedelta(days=days))
