"""The wiring of every actor: the addresses of the other actors, and the dependencies from outside."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import uuid_utils
from msgspec import Struct, field
from thespian.actors import ActorAddress

from trackd.config.settings import Limits, Retention
from trackd.core.calls import Answer, Request
from trackd.core.changes import Change
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.rules.memo import MemoTable
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.lookups import Wanted
from trackd.storage.store import Reads, ReadsByKey
from trackd.telemetry.tally import Tally


def new_id() -> str:
    """A new UUIDv7, which is ordered by time, so that indexes grow at their end."""
    return str(uuid_utils.uuid7())


class Frontend(Protocol):
    """The object outside of the actors that sends them requests: its methods are called back."""

    def started(self, wiring: "Wiring") -> None:
        """All actors are wired."""

    def answered(self, answers: Sequence[Answer]) -> None:
        """Requests have ended; each gets one answer. Must not send the actors anything."""

    def store_writable(self, writable: bool) -> None:
        """The store began to fail or to hang, or works again."""

    def tick_soon(self, delay_s: float) -> None:
        """Let the next Tick come after so many seconds, if it would come later."""

    def is_observed(self) -> bool:
        """Whether anybody asked for the health of the store since the last call of this method."""


class Dependencies(Struct, frozen=True):
    """Everything that the actors get from outside. As the first message it makes the Guardian create the others."""

    reads: Reads
    by_key: ReadsByKey
    """The reads of `reads` by key, or those of what was looked up, which may raise NotLoadedError."""
    is_shared: bool
    """Whether other nodes write to the store too: the last commit of this one may not be the last."""
    load: Callable[[ActorAddress, Request[Any], Wanted], None]
    """Sends a request to an actor again after a lookup."""
    submit: Callable[[Sequence[Change]], None]
    """Begins to commit a batch. The result comes back as BatchCommitted."""
    frontend: Frontend
    monotonic: Callable[[], float]
    """The monotonic clock, in seconds."""
    now: Callable[[], datetime]
    """The time of day, with its zone."""
    new_id: Callable[[], str]
    max_active_profiles: int
    max_cached_sessions: int
    max_document_bytes: int
    limits: Limits
    retention: Retention
    end_after_s: int
    """See `Sessions` of the settings."""
    rules: RuleSet
    """The rules until the first RulesChanged."""
    tally: Tally
    """Where the actors count."""
    refusals: RefusalQueue = field(default_factory=RefusalQueue)
    """Those that wait to be written."""
    memos: MemoTable = field(default_factory=MemoTable)
    """The memos of all profiles."""


class Wiring(Struct, frozen=True):
    """The addresses of the actors, and their dependencies. Each actor receives it before any other message."""

    guardian: ActorAddress
    source_auth: ActorAddress
    directory: ActorAddress
    event_writer: ActorAddress
    housekeeper: ActorAddress
    routes: Mapping[type[Request[Any]], ActorAddress]
    """The actor that receives each type of request."""
    dependencies: Dependencies
