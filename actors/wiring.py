"""What the actors work with: each other's addresses, and the seams to the outside."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from thespian.actors import ActorAddress

from trackd.actors.messages import Answer
from trackd.config.settings import Limits, Retention
from trackd.core.changes import Change
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.store import Reads
from trackd.telemetry.tally import Tally


class Frontend(Protocol):
    """Whoever puts the calls in."""

    def started(self, wiring: "Wiring") -> None: ...

    def answered(self, answer: Answer) -> None: ...

    def store_writable(self, writable: bool) -> None: ...


class Dependencies(Struct, frozen=True):
    """The seams, the bounds, the rules to begin with, and where to count.

    `submit` begins to commit a batch; `monotonic` is a clock in seconds, `now` tells the time
    of day with its zone.
    """

    reads: Reads
    submit: Callable[[Sequence[Change]], None]
    frontend: Frontend
    monotonic: Callable[[], float]
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    max_active_profiles: int
    max_cached_sessions: int
    limits: Limits
    retention: Retention
    rules: RuleSet
    tally: Tally


class Wiring(Struct, frozen=True):
    """Sent to each actor once, before anything else."""

    guardian: ActorAddress
    source_auth: ActorAddress
    directory: ActorAddress
    event_writer: ActorAddress
    housekeeper: ActorAddress
    dependencies: Dependencies
