"""The actor that creates the others, and through which answers leave."""

from collections.abc import Mapping

from trackd.actors.base import GuardedActor, Handler
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.housekeeper import Housekeeper
from trackd.actors.messages import Answered, StoreHealth, Tick
from trackd.actors.source_auth import SourceAuth
from trackd.actors.wiring import Parts, Wiring


class Guardian(GuardedActor):
    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Parts: cls._create, Answered: cls._answered, StoreHealth: cls._store_health, Tick: cls._tick}

    def _create(self, parts: Parts) -> None:
        self._wire(
            Wiring(
                guardian=self.myAddress,
                source_auth=self.createActor(SourceAuth),
                directory=self.createActor(ProfileDirectory),
                event_writer=self.createActor(EventWriter),
                housekeeper=self.createActor(Housekeeper),
                parts=parts,
            )
        )
        wiring = self.wiring
        for address in (wiring.directory, wiring.event_writer, wiring.housekeeper, wiring.source_auth):
            self.send(address, wiring)
        parts.outside.started(self.wiring)

    def _answered(self, answered: Answered) -> None:
        for answer in answered.answers:
            self.wiring.parts.outside.answered(answer)

    def _store_health(self, health: StoreHealth) -> None:
        self.wiring.parts.outside.store_writable(health.writable)

    def _tick(self, tick: Tick) -> None:
        self.send(self.wiring.source_auth, tick)
        self.send(self.wiring.event_writer, tick)
        self.send(self.wiring.housekeeper, tick)
        self.send(self.wiring.directory, tick)
