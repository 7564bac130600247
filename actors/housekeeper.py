"""Deletes old data a step at a time, at ticks, so that calls are committed in between."""

import math
from collections.abc import Mapping

from trackd.actors.base import BaseActor, Handler
from trackd.actors.messages import Delete, Deleted, Tick
from trackd.core.changes import Deletion
from trackd.core.retention import pause_s, steps


class Housekeeper(BaseActor):
    """Schedules the steps of each kind of deletion, of which one at most is under way."""

    def wired(self) -> None:
        self._due: dict[type[Deletion], float] = {}  # the next step's monotonic time

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Tick: cls._begin_due_steps, Deleted: cls._deleted}

    def _begin_due_steps(self, _: Tick) -> None:
        dependencies = self.wiring.dependencies
        for step in steps(dependencies.retention, dependencies.now()):
            if self._due.get(type(step), 0.0) <= dependencies.monotonic():
                self.send(self.wiring.event_writer, Delete(step))
                self._due[type(step)] = math.inf  # until it is Deleted

    def _deleted(self, deleted: Deleted) -> None:
        self._due[type(deleted.change)] = self.wiring.dependencies.monotonic() + pause_s(deleted.outcome)
