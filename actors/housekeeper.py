"""Deletes old data in sweeps, a step at a time, so that calls are committed in between."""

import math
from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from trackd.actors.base import BaseActor, Handler
from trackd.actors.messages import Delete, Deleted, Tick
from trackd.actors.retention_clock import RetentionClock
from trackd.actors.sweep import Sweep
from trackd.core.changes import Outcome
from trackd.core.retention import is_full, next_limit, pause_s, steps
from trackd.core.retention_changes import FIRST_STEP_ROWS, Deletion, PutRetentionStop
from trackd.storage.store import Duty


class Housekeeper(BaseActor):
    """Schedules the sweeps of each kind of deletion.

    At ticks it begins those that are due, if the clock allows it and no other server does it.
    """

    def wired(self) -> None:
        dependencies = self.wiring.dependencies
        self._due: dict[type[Deletion], float] = {}  # the next sweep's monotonic time
        self._sweeps: dict[type[Deletion], Sweep] = {}
        self._limits: dict[type[Deletion], int] = {}  # rows of the next step
        self._ahead: dict[type[Deletion], str] = {}  # see `Sweep.end`
        self._is_writing_stop = False
        self._may_delete = True
        is_on = bool(steps(dependencies.retention, dependencies.now()))
        self._clock = RetentionClock(dependencies) if is_on else None

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Tick: cls._tick, Deleted: cls._deleted}

    def _tick(self, _: Tick) -> None:
        if self._clock is None:
            return
        now, has_duty = self.wiring.dependencies.now(), self.wiring.dependencies.reads.has_duty(Duty.RETENTION)
        self._may_delete = self._clock.may_follow(now) and has_duty  # the clock keeps up also without the duty
        if has_duty and self._clock.change is not None and not self._is_writing_stop:
            self.send(self.wiring.event_writer, Delete(self._clock.change))
            self._is_writing_stop = True
        if self._may_delete:
            self._begin_due_sweeps(now)

    def _begin_due_sweeps(self, now: datetime) -> None:
        dependencies = self.wiring.dependencies
        moment = dependencies.monotonic()
        for step in steps(dependencies.retention, now):
            kind = type(step)
            if self._due.get(kind, 0.0) <= moment:
                self._due[kind] = math.inf  # until it has ended
                self._sweeps[kind] = Sweep(kind, dependencies.tally, moment)
                self._begin(step, moment)

    def _begin(self, step: Deletion, now: float) -> None:
        kind = type(step)
        limit = self._limits.get(kind, FIRST_STEP_ROWS)
        self.send(self.wiring.event_writer, Delete(replace(step, limit=limit), self._sweeps[kind].is_long(now)))

    def _deleted(self, deleted: Deleted) -> None:
        change, now = deleted.change, self.wiring.dependencies.monotonic()
        if isinstance(change, PutRetentionStop):
            self._stop_written(change, deleted.outcome)
            return
        kind = type(change)
        sweep = self._sweeps[kind]
        sweep.add(deleted.swept, deleted.seconds, now)
        if deleted.swept is not None and is_full(change, deleted.swept):
            self._limits[kind] = next_limit(change.limit, deleted.seconds)
        if deleted.outcome is Outcome.STORED and self._may_delete:
            self._begin(change, now)
        else:
            self._due[kind] = now + pause_s(kind, sweep.busy_s)
            self._ahead[kind] = sweep.end(now, self._ahead.get(kind, ""))

    def _stop_written(self, change: PutRetentionStop, outcome: Outcome) -> None:
        self._is_writing_stop = False
        if self._clock is not None and outcome is not Outcome.FAILED:
            self._clock.written(change)
