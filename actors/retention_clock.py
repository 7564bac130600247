"""Whether the retention may follow the clock: one that is far ahead stops it, until it is confirmed or set right."""

import logging
from datetime import datetime

from trackd.actors.wiring import Dependencies
from trackd.core.documents import timestamp
from trackd.core.retention import TRUSTED_EVERY, is_far_ahead, latest_time, trusted_time
from trackd.core.retention_changes import LATEST, PutRetentionStop

log = logging.getLogger(__name__)


class RetentionClock:
    """Reads the newest row and the last stop when it is made, before any call is stored. Raises StoreError.

    `change` is what the store lacks of a stop, or None: after a restart, rows that came under a wrong clock must not be
    taken for the time. Once a day it is the time, for a server whose newest row is old.
    """

    def __init__(self, dependencies: Dependencies) -> None:
        now, reads = dependencies.now(), dependencies.reads
        stop = reads.retention_stop()
        self._reads, self._tally = reads, dependencies.tally
        newest = reads.newest_time(latest_time(now)) or reads.newest_time(LATEST)
        self._trusted = self._stored = trusted_time(now, newest, stop)
        self._confirmed = stop.confirmed
        self._is_stopped: bool | None = None if stop.after else False  # None: the last server wrote a stop
        self.change: PutRetentionStop | None = None

    def may_follow(self, now: datetime) -> bool:
        """Whether data may be deleted that is old by this clock. To be called at each tick."""
        if not is_far_ahead(now, self._trusted):
            if self._is_stopped is not False:
                self._go_on("this clock is no longer far ahead of the newest event or session")
            self._trusted = max(self._trusted, now)
            if self.change is None and self._trusted - self._stored >= TRUSTED_EVERY:
                self._confirmed = self._reads.retention_stop().confirmed
                self._stored = self._trusted
                self.change = PutRetentionStop(None, self._confirmed, timestamp(self._trusted))
        else:
            confirmed = self._reads.retention_stop().confirmed
            if self._is_stopped is not False and confirmed != self._confirmed:
                self._confirmed, self._trusted = confirmed, now
                self._go_on("the clock was confirmed")
            elif not self._is_stopped:
                self._confirmed = confirmed  # before this stop: it was not of this clock
                self._stop(now)
        return not self._is_stopped

    def written(self, change: PutRetentionStop) -> None:
        """The store has the change."""
        if change == self.change:
            self.change = None

    def _stop(self, now: datetime) -> None:
        self._is_stopped = self._tally.retention_stopped = True
        self.change = PutRetentionStop(timestamp(self._trusted), self._confirmed)
        log.warning(
            "retention is stopped and deletes nothing: this clock (%s) is %d days ahead of the newest event or session "
            "(%s). If it is right, run `trackd retention confirm`; if it is wrong, set it",
            timestamp(now),
            (now - self._trusted).days,
            timestamp(self._trusted),
        )

    def _go_on(self, why: str) -> None:
        self._is_stopped = self._tally.retention_stopped = False
        self.change = PutRetentionStop(None, self._confirmed)
        log.info("retention goes on: %s", why)
