"""Thespian's actor system on the calling thread, without the features that no actor here uses."""

from typing import Any

from msgspec import Struct
from thespian.actors import ActorAddress, ActorSystem
from thespian.system.simpleSystemBase import ActorSystemBase

from trackd.actors.base import BaseActor


class PendingMessage(Struct):
    """A message that was sent and not handled yet, in place of Thespian's slower `PendingSend`."""

    toActor: ActorAddress  # noqa: N815  Thespian's name
    msg: Any
    sender: ActorAddress | None = None
    attempts: int = 0


class DirectSystemBase(ActorSystemBase):  # type: ignore[misc]  # Thespian has no types
    """`simpleSystemBase` that hands a message to a `BaseActor` by a plain method call.

    That leaves out work that Thespian does for each message: a second try when a handler raises (a BaseActor never
    raises), system messages (nothing ends an actor), a scan of the wake-up timers (no actor has one), and a lock (all
    messages are sent on one thread).
    """

    def tell(self, anActor: ActorAddress, msg: Any) -> None:  # noqa: N803  Thespian's name
        self._pendingSends.append(PendingMessage(anActor, msg))
        self._runSends()

    def _runSends(self, timeout: Any = None, stop_on_available: Any = False) -> None:  # noqa: N802  Thespian's name
        pending, actors = self._pendingSends, self.actorRegistry
        while pending:
            message = pending.pop(0)
            actor = actors[message.toActor.addressDetails].instance
            if isinstance(actor, BaseActor):
                actor.receiveMessage(message.msg, message.sender)
            else:
                self._runSingleSend(message)

    def actor_send(self, fromActor: ActorAddress, toActor: ActorAddress, msg: Any) -> None:  # noqa: N803
        self._pendingSends.append(PendingMessage(toActor, msg, fromActor))


def actor_system() -> ActorSystem:
    # transientUnique: a system of its own, not the process-wide singleton. logDefs: leave logging alone.
    system = ActorSystem("simpleSystemBase", logDefs=False, transientUnique=True)
    system._systemBase = DirectSystemBase(system, logDefs=False)  # needs the system, so it is replaced afterwards
    return system
