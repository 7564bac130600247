"""The root actor: it creates the others, and the answers leave through it."""

from collections.abc import Mapping

from trackd.actors.base import BaseActor, Handler
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.housekeeper import Housekeeper
from trackd.actors.messages import Answered, StoreHealth, Tick
from trackd.actors.source_auth import SourceAuth
from trackd.actors.wiring import Dependencies, Wiring
from trackd.core.calls import Request


class Guardian(BaseActor):
    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Dependencies: cls._create, Answered: cls._answered, StoreHealth: cls._store_health, Tick: cls._tick}

    def _create(self, dependencies: Dependencies) -> None:
        classes = (SourceAuth, ProfileDirectory, EventWriter, Housekeeper)
        addresses = {actor: self.createActor(actor) for actor in classes}
        routes = {
            message: address
            for actor, address in addresses.items()
            for message in actor.handlers()
            if issubclass(message, Request)
        }
        self._wire(
            Wiring(
                guardian=self.myAddress,
                source_auth=addresses[SourceAuth],
                directory=addresses[ProfileDirectory],
                event_writer=addresses[EventWriter],
                housekeeper=addresses[Housekeeper],
                routes=routes,
                dependencies=dependencies,
            )
        )
        for address in addresses.values():
            self.send(address, self.wiring)
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
