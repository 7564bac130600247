"""The base of all actors: one guard around every handler."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from thespian.actors import Actor, ActorAddress, ActorSystemMessage

from trackd.actors.messages import (
    Administer,
    Admitted,
    Answer,
    Answered,
    Commit,
    Deliver,
    Erase,
    Failed,
    Fetch,
    Reason,
    Refused,
)
from trackd.actors.wiring import Wiring
from trackd.core.calls import Track
from trackd.storage.errors import StoreError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0

Handler = Callable[[Any, Any], None]
"""A method, not bound: of the actor and its message."""


class BaseActor(Actor):  # type: ignore[misc]  # Thespian has no types
    """An actor whose handler may raise: its caller gets an answer, and Thespian does not run it again.

    Thespian repeats a message whose handler raised, three times in all, and would apply half of it each time.
    A handler changes its actor's state only once nothing can fail any more.
    """

    wiring: Wiring
    _handlers: ClassVar[Mapping[type, Handler]]  # there are as many actors as active profiles

    def __init_subclass__(cls) -> None:
        cls._handlers = {Wiring: cls._wire, **cls.handlers()}

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        """What the actor takes: a handler for each type of message."""
        raise NotImplementedError

    def wired(self) -> None:
        """Called when `self.wiring` is there, before the first message."""

    def _wire(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self._messages = wiring.dependencies.tally.messages
        self.wired()

    def receiveMessage(self, message: Any, sender: ActorAddress) -> None:  # noqa: N802  Thespian's name
        try:
            self._handlers[type(message)](self, message)
            self._messages[type(self)] += 1
        except Exception as error:
            self._report(message, error)

    def send(self, targetAddr: ActorAddress, msg: Any) -> None:  # noqa: N803  Thespian's name
        """As Thespian's, without a look at what an address is: each call is sent three times."""
        self._myRef._system._systemBase.actor_send(self._myRef._addr, targetAddr, msg)

    @property
    def reports_to(self) -> ActorAddress:
        """Who hears of calls that this actor ends by itself."""
        return self.wiring.guardian

    def answer(self, *answers: Answer) -> None:
        self.send(self.reports_to, Answered(answers))

    def _report(self, message: Any, error: Exception) -> None:
        if isinstance(message, ActorSystemMessage):
            return
        number = _number(message)
        if isinstance(error, StoreError):
            log.error("the store failed while %s handled a call: %s", type(self).__name__, error)
            answer: Answer = Refused(number or 0, Reason.STORE_FAILED, RETRY_AFTER_S)
        else:
            log.error("%s raised on %s", type(self).__name__, type(message).__name__, exc_info=error)
            self.wiring.dependencies.tally.faults[type(self)] += 1
            answer = Failed(number or 0)
        if number is not None:
            self.answer(answer)


def _number(message: Any) -> int | None:
    """The number of the call that a message asks something for. An answer has none: no Failed answers a Failed."""
    match message:
        case Track() | Commit() | Erase() | Fetch() | Administer():
            return message.number
        case Admitted() | Deliver():
            return message.call.number
    return None
