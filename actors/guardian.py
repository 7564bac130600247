"""The root actor: it creates the others, and passes the time on to them."""

from collections.abc import Mapping

from trackd.actors.base import BaseActor, Handler
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.housekeeper import Housekeeper
from trackd.actors.messages import Tick
from trackd.actors.source_auth import SourceAuth
from trackd.actors.wiring import Dependencies, Wiring
from trackd.core.calls import Request


class Guardian(BaseActor):
    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Dependencies: cls._create, Tick: cls._tick}

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

    def _tick(self, tick: Tick) -> None:
        self.send(self.wiring.source_auth, tick)
        self.send(self.wiring.event_writer, tick)
        self.send(self.wiring.housekeeper, tick)
        self.send(self.wiring.directory, tick)
