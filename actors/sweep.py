"""One sweep of a deletion: its steps up to the last one that is due, their metrics, and its line in the log."""

import logging
from collections.abc import Mapping

from trackd.core.retention import PAUSE_S, is_time
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, Swept
from trackd.telemetry.tally import Tally

log = logging.getLogger(__name__)

PROGRESS_S = 60.0
TABLES: Mapping[type[Deletion], str] = {DeleteEvents: "event", DeleteSessions: "session"}
STAY: Mapping[type[Deletion], str] = {
    DeleteEvents: "They are deleted when an event that arrived after them is old",
    DeleteSessions: "They stay until they are old by this clock",
}


class Sweep:
    """Times are of the monotonic clock, in seconds."""

    def __init__(self, kind: type[Deletion], tally: Tally, now: float) -> None:
        self.busy_s = 0.0
        """How long its commits took."""
        self._kind = kind
        self._table = TABLES[kind]
        self._tally = tally
        self._began = self._logged = now
        self._deleted = 0
        self._last: Swept | None = None

    def is_long(self, now: float) -> bool:
        """Whether the pace so far is too slow: the next sweep should have begun."""
        return now - self._began >= PAUSE_S

    def add(self, swept: Swept | None, seconds: float, now: float) -> None:
        """Note a step; `swept` is None when it was not written."""
        self.busy_s += seconds
        if swept is None:
            return
        self._last = swept
        self._deleted += swept.deleted
        self._tally.retention_deleted[self._table] += swept.deleted
        self._tally.retention_backlog[self._table] = swept.backlog
        if self._deleted and now - self._logged >= PROGRESS_S:
            self._logged = now
            log.info("retention deleted %s so far, about %d are left", self._rows(self._deleted), swept.backlog)

    def end(self, now: float, logged: str) -> str:
        """Log the sweep. Returns the farthest time of rows ahead of the clock; `logged` is that of the last line."""
        if self._deleted:
            log.info("retention deleted %s in %.1f s", self._rows(self._deleted), now - self._began)
        if self._last is None:
            return logged
        ahead, farthest = self._last.ahead, self._last.farthest
        self._tally.retention_ahead[self._table] = ahead
        if ahead and farthest != logged:
            log.warning(
                "ahead of this clock: %s, the farthest at %s. %s. Was the clock wrong when they came, or is it "
                "behind now?",
                self._rows(ahead),
                farthest if is_time(farthest) else "a text that is no time",
                STAY[self._kind],
            )
        return farthest

    def _rows(self, number: int) -> str:
        """Such as "1 event" or "7 sessions"."""
        return f"{number} {self._table}{'' if number == 1 else 's'}"
