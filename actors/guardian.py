"""The actor that creates the others, and through which answers leave."""

from collections.abc import Mapping

from trackd.actors.base import BaseActor, Handler
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.housekeeper import Housekeeper
from trackd.actors.messages import Answered, StoreHealth, Tick
from trackd.actors.source_auth import SourceAuth
from trackd.actors.wiring import Dependencies, Wiring


class Guardian(BaseActor):
    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Dependencies: cls._create, Answered: cls._answered, StoreHealth: cls._store_health, Tick: cls._tick}

    def _create(self, dependencies: Dependencies) -> None:
        self._wire(
            Wiring(
                guardian=self.myAddress,
                source_auth=self.createActor(SourceAuth),
                directory=self.createActor(ProfileDirectory),
                event_writer=self.createActor(EventWriter),
                housekeeper=self.createActor(Housekeeper),
                dependencies=dependencies,
            )
        )
        wiring = self.wiring
        for address in (wiring.directory, wiring.event_writer, wiring.housekeeper, wiring.source_auth):
            self.send(address, wiring)
        dependencies.frontend.started(self.wiring)

    def _answered(self, answered: Answered) -> None:
        for answer in answered.answers:
            self.wiring.dependencies.frontend.answered(answer)

    def _store_health(self, health: StoreHealth) -> None:
        self.wiring.dependencies.frontend.store_writable(health.writable)

    def _tick(self, tick: Tick) -> None:
        self.send(self.wiring.source_auth, tick)
        self.send(self.wiring.event_writer, tick)
        self.send(self.wiring.housekeeper, tick)
        self.send(self.wiring.directory, tick)
