"""Requests that wait for their answers."""

from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from trackd.actors.messages import Aborted
from trackd.core.calls import Answer, Request

A = TypeVar("A", bound=Answer)


class Pending(Struct, Generic[A]):
    """A request, and its answer once it is there."""

    request: Request[A]
    size: int
    """The size of the request's head and body, in bytes."""
    answered: Callable[[], object]
    """Called once, when `answer` is there, and not before `Tracker.submit` has returned."""
    answer: A | Aborted | None = None
    deadline: float = 0.0
    """In seconds of the event loop's clock. Set by the Tracker, as `answer` is."""


class Queue(Struct, frozen=True):
    """The requests without an answer, and the limits from which on requests are refused."""

    calls: int
    size: int
    """The sum of the sizes of the heads and bodies, in bytes."""
    max_calls: int
    max_size: int
