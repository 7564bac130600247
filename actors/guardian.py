"""The actor that creates the others, and through which answers leave."""

from typing import Any

from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.guarded import GuardedActor
from trackd.actors.messages import Answered, StoreHealth, Tick
from trackd.actors.source_auth import SourceAuth
from trackd.actors.wiring import Parts, Wiring


class Guardian(GuardedActor):
    def receive(self, message: Any) -> None:
        match message:
            case Parts():
                self._create(message)
            case Answered():
                for answer in message.answers:
                    self.wiring.parts.outside.answered(answer)
            case StoreHealth():
                self.wiring.parts.outside.store_writable(message.writable)
            case Tick():
                self.send(self.wiring.source_auth, message)
                self.send(self.wiring.event_writer, message)
            case _:
                self.unexpected(message)

    def _create(self, parts: Parts) -> None:
        self.wiring = Wiring(
            guardian=self.myAddress,
            source_auth=self.createActor(SourceAuth),
            directory=self.createActor(ProfileDirectory),
            event_writer=self.createActor(EventWriter),
            parts=parts,
        )
        for address in (self.wiring.directory, self.wiring.event_writer, self.wiring.source_auth):
            self.send(address, self.wiring)
        parts.outside.started(self.wiring)
