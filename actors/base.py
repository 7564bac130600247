"""The base class of all actors: their handlers, and what follows when one raises."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from thespian.actors import Actor, ActorAddress, ActorSystemMessage

from trackd.actors.damage import DAMAGE
from trackd.actors.messages import Aborted, Failed, Reason, Refused, Unloaded
from trackd.actors.wiring import Wiring
from trackd.core.calls import Answer, Request
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.lookups import NotLoadedError, Wanted
from trackd.telemetry.faults import without_values

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0

Handler = Callable[[Any, Any], None]
"""An unbound method: it takes the actor and the message."""


class BaseActor(Actor):  # type: ignore[misc]  # Thespian has no types
    """An actor whose handlers may raise: the caller gets an answer, and the message is handled once.

    Thespian itself runs a handler that raised again, three times in all, and half of its work would be done each time.
    So that nothing is half done here, a handler changes its actor's state only after everything that can fail. The
    adapter calls the handlers, and `handle_fault` when one has raised (thespian_adapter.py).
    """

    wiring: Wiring
    handlers_by_type: ClassVar[Mapping[type, Handler]]  # of the class: there are as many actors as active profiles

    def __init_subclass__(cls) -> None:
        cls.handlers_by_type = {Wiring: cls._wire, **cls.handlers()}

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        """The actor's handler for each type of message that it takes."""
        raise NotImplementedError

    def wired(self) -> None:
        """Called once, before the first message: `self.wiring` is set."""

    def _wire(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self._post = self._myRef._system._systemBase.post
        self.wired()

    def send(self, targetAddr: ActorAddress, msg: Any) -> None:  # noqa: N803  Thespian's name
        """As Thespian's, without its checks of the address, which cost time in each of a call's messages."""
        self._post((targetAddr, msg))

    def answer(self, *answers: Answer) -> None:
        """Answer requests. The answers leave the actors."""
        self.wiring.dependencies.frontend.answered(answers)

    def damage(self, message: Any) -> str:
        """How a fault goes on in the log that is explained by damaged data, "" for one of the code."""
        return ""

    def not_loaded(self, message: Any, wanted: Wanted) -> None:
        """A lookup has to come before a message, which is handled again after it."""
        self.answer(Unloaded(message.number, wanted))

    def handle_fault(self, message: Any, error: Exception) -> None:
        """Log the fault and answer a request. Other messages have no caller: no Failed is answered with a Failed."""
        if isinstance(message, ActorSystemMessage):
            return
        if isinstance(error, NotLoadedError):
            self.not_loaded(message, error.wanted)
            return
        aborted: Aborted
        number = message.number if isinstance(message, Request) else 0
        if isinstance(error, StoreError) and not isinstance(error, DamagedRowError):
            log.error("the store failed while %s handled a call: %s", type(self).__name__, error)
            aborted = Refused(number, Reason.STORE_FAILED, RETRY_AFTER_S)
        else:
            damage = DAMAGE if isinstance(error, StoreError) else self.damage(message)
            log.error(
                "%s raised on %s%s",
                type(self).__name__,
                type(message).__name__,
                damage,
                exc_info=without_values(error) if not damage else None,
            )
            self.wiring.dependencies.tally.faults[type(self)] += 1
            aborted = Failed(number, is_damage=bool(damage))
        if isinstance(message, Request):
            self.answer(aborted)
