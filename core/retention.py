"""What is not kept any longer. Pure."""

from datetime import datetime, timedelta

from trackd.config.settings import Retention
from trackd.core.changes import DeleteEvents, DeleteSessions, Deletion, Outcome
from trackd.core.documents import timestamp

LOOK_EVERY_S = 60.0


def steps(retention: Retention, now: datetime) -> list[Deletion]:
    """A step of each deletion that the settings ask for."""
    wanted: list[Deletion] = []
    if retention.events_keep_days:
        wanted.append(DeleteEvents(_before(now, retention.events_keep_days)))
    if retention.sessions_keep_days:
        wanted.append(DeleteSessions(_before(now, retention.sessions_keep_days)))
    return wanted


def pause_s(outcome: Outcome) -> float:
    """How long to wait after a step; after one that found more to do, only for the next tick."""
    return 0.0 if outcome is Outcome.STORED else LOOK_EVERY_S


def _before(now: datetime, days: int) -> str:
    return timestamp(now - timedelta(days=days))
