"""Thespian's actor system on the calling thread, without the features that no actor here uses."""

from collections import defaultdict, deque
from typing import Any

from thespian.actors import ActorAddress, ActorSystem
from thespian.system.simpleSystemBase import ActorSystemBase

from trackd.actors.base import BaseActor

Handled = defaultdict[type, list[int]]
"""By class of actor, a list with the number of messages handled."""


class DirectSystemBase(ActorSystemBase):  # type: ignore[misc]  # Thespian has no types
    """`simpleSystemBase` that calls the handler of a BaseActor for each message.

    That leaves out work that Thespian does for each message: a second try when a handler raises (its fault is handled
    instead), system messages (nothing ends an actor), a scan of the wake-up timers (no actor has one), a look-up of the
    actor (its address has it), and a lock (all messages are sent on one thread).
    """

    def __init__(self, *args: Any, handled: Handled, **named: Any) -> None:
        super().__init__(*args, **named)
        self._pendingSends: deque[tuple[ActorAddress, Any]] = deque()
        self.post = self._pendingSends.append
        self._handled = handled

    def _newRefAndActor(self, system: Any, parent: Any, address: Any, *args: Any, **named: Any) -> Any:  # noqa: N802
        reference = super()._newRefAndActor(system, parent, address, *args, **named)
        actor = reference.instance
        if isinstance(actor, BaseActor):  # not Thespian's own, which stands for the world outside
            address.actor, address.handlers, address.handled = actor, actor.handlers_by_type, self._handled[type(actor)]
        return reference

    def tell(self, anActor: ActorAddress, msg: Any) -> None:  # noqa: N803  Thespian's names
        pending, take = self._pendingSends, self._pendingSends.popleft
        pending.append((anActor, msg))
        while pending:
            address, message = take()
            try:
                address.handlers[type(message)](address.actor, message)
                address.handled[0] += 1
            except Exception as error:
                address.actor.handle_fault(message, error)


def actor_system(handled: Handled) -> ActorSystem:
    """A system for BaseActors, which counts the messages that they handled."""
    # transientUnique: a system of its own, not the process-wide singleton. logDefs: leave logging alone.
    system = ActorSystem("simpleSystemBase", logDefs=False, transientUnique=True)
    base = DirectSystemBase(system, logDefs=False, handled=handled)  # needs the system, so it is replaced afterwards
    system._systemBase, system.tell = base, base.tell
    return system
