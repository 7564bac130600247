"""Thespian's actor system on the thread that calls it, without what no actor here asks for."""

from typing import Any

from msgspec import Struct
from thespian.actors import ActorAddress, ActorSystem
from thespian.system.simpleSystemBase import ActorSystemBase

from trackd.actors.base import BaseActor


class Sent(Struct):
    """A message on its way: Thespian's `PendingSend`."""

    toActor: ActorAddress  # noqa: N815  Thespian's name
    msg: Any
    sender: ActorAddress | None = None
    attempts: int = 0


class DirectSystemBase(ActorSystemBase):  # type: ignore[misc]  # Thespian has no types
    """`simpleSystemBase`, where a message to a guarded actor is handed over in a third of the time.

    A guarded actor does not raise, so it is neither called again nor sent its message back; it does not ask who sent a
    message; nobody ends one, so no message is for the system; no actor asks to be woken up, so no list of sleepers is
    looked through before each message; and only one thread sends.
    """

    def tell(self, anActor: ActorAddress, msg: Any) -> None:  # noqa: N803  Thespian's name
        self._pendingSends.append(Sent(anActor, msg))
        self._runSends()

    def _runSends(self, timeout: Any = None, stop_on_available: Any = False) -> None:  # noqa: N802  Thespian's name
        pending, actors = self._pendingSends, self.actorRegistry
        while pending:
            send = pending.pop(0)
            actor = actors[send.toActor.addressDetails].instance
            if isinstance(actor, BaseActor):
                actor.receiveMessage(send.msg, send.sender)
            else:
                self._runSingleSend(send)

    def actor_send(self, fromActor: ActorAddress, toActor: ActorAddress, msg: Any) -> None:  # noqa: N803
        self._pendingSends.append(Sent(toActor, msg, fromActor))


def actor_system() -> ActorSystem:
    # Without transientUnique the system would be the process's one and only; logDefs would take over logging.
    system = ActorSystem("simpleSystemBase", logDefs=False, transientUnique=True)
    system._systemBase = DirectSystemBase(system, logDefs=False)  # it can be made only once there is a system
    return system
