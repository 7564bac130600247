"""Thespian's actor system on the calling thread, without the features that no actor here uses."""

from collections import deque
from typing import Any

from thespian.actors import ActorAddress, ActorSystem
from thespian.system.simpleSystemBase import ActorSystemBase


class DirectSystemBase(ActorSystemBase):  # type: ignore[misc]  # Thespian has no types
    """`simpleSystemBase` that hands a message to its actor by a plain method call.

    That leaves out work that Thespian does for each message: a second try when a handler raises (a BaseActor never
    raises), system messages (nothing ends an actor), a scan of the wake-up timers (no actor has one), a look-up of the
    actor (its address has it), and a lock (all messages are sent on one thread).
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._pendingSends: deque[tuple[ActorAddress, Any]] = deque()
        self.post = self._pendingSends.append

    def _newRefAndActor(self, system: Any, parent: Any, address: Any, *args: Any, **named: Any) -> Any:  # noqa: N802
        reference = super()._newRefAndActor(system, parent, address, *args, **named)
        address.actor = reference.instance
        return reference

    def tell(self, anActor: ActorAddress, msg: Any) -> None:  # noqa: N803  Thespian's names
        pending, take = self._pendingSends, self._pendingSends.popleft
        pending.append((anActor, msg))
        while pending:
            address, message = take()
            address.actor.receiveMessage(message, None)

    def actor_send(self, fromActor: ActorAddress | None, toActor: ActorAddress, msg: Any) -> None:  # noqa: N803
        self.post((toActor, msg))


def actor_system() -> ActorSystem:
    # transientUnique: a system of its own, not the process-wide singleton. logDefs: leave logging alone.
    system = ActorSystem("simpleSystemBase", logDefs=False, transientUnique=True)
    base = DirectSystemBase(system, logDefs=False)  # needs the system, so it is replaced afterwards
    system._systemBase, system.tell = base, base.tell
    return system
