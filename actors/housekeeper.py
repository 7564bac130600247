"""Has what is too old deleted, a step at each tick, so that calls have the disk in between."""

import math
from collections.abc import Mapping

from trackd.actors.base import BaseActor, Handler
from trackd.actors.messages import Delete, Deleted, Tick
from trackd.core.changes import Deletion
from trackd.core.retention import pause_s, steps


class Housekeeper(BaseActor):
    """Knows for each kind of deletion when its next step is due, in seconds of the monotonic clock."""

    def wired(self) -> None:
        self._due: dict[type[Deletion], float] = {}

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Tick: cls._look, Deleted: cls._deleted}

    def _look(self, _: Tick) -> None:
        dependencies = self.wiring.dependencies
        for step in steps(dependencies.retention, dependencies.now()):
            if self._due.get(type(step), 0.0) <= dependencies.monotonic():
                self.send(self.wiring.event_writer, Delete(step))
                self._due[type(step)] = math.inf  # until the writer tells what became of it

    def _deleted(self, deleted: Deleted) -> None:
        self._due[type(deleted.step)] = self.wiring.dependencies.monotonic() + pause_s(deleted.outcome)
