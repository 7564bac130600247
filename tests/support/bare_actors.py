"""The actors without a Tracker and an event loop, for tests that step through their messages."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.support.making import NOW
from tests.support.running_tracker import reason
from tests.support.stepped_lookups import SteppedLookups
from trackd.actors.guardian import Guardian
from trackd.actors.loader import Direct, Loader, LookedUp
from trackd.actors.messages import BatchCommitted, Reason, Tick
from trackd.actors.thespian_adapter import actor_system
from trackd.actors.wiring import Dependencies, Wiring
from trackd.config.settings import Limits, Retention
from trackd.core.calls import Answer, Track
from trackd.core.changes import Change
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult, commit
from trackd.telemetry.tally import Tally


class BareActors:
    """The actor system without an event loop: each message is handled before `tell` returns.

    The test commits the batches, and sets the clock. `answers` has the answers by the numbers of the requests.
    """

    wiring: Wiring
    lookups: SteppedLookups | None = None

    def __init__(
        self,
        reads: Any,
        rules: RuleSet | None = None,
        retention: Retention | None = None,
        end_after_s: int = 0,
        max_active_profiles: int = 100,
        max_cached_sessions: int = 100,
        max_document_bytes: int = 2**20,
        limits: Limits | None = None,
        ahead: timedelta = timedelta(),
        refusals: RefusalQueue | None = None,
        looks_up: bool = False,
    ) -> None:
        """With `looks_up` what is not in memory is looked up; the test ends the lookups."""
        self.reads = reads
        self.now = 0.0
        self.time_of_day = datetime.fromisoformat(NOW) + ahead
        self.batches: deque[Sequence[Change]] = deque()
        self.answers: dict[int, Any] = {}
        self.health: list[bool] = []
        self.delays: list[float] = []
        self.takes_batches = True
        self.observed = False
        self.tally = Tally()
        self._ids: Iterator[int] = itertools.count(1)
        self._system = actor_system(self.tally.handled)
        self._due: list[Callable[[], None]] = []
        self._loader: Loader | Direct = Direct(reads, self._system.tell, self._submit)
        if looks_up:
            make, soon = self._make_lookups, self._due.append
            self._loader = Loader(self._system.tell, self._submit, self.tally, make, soon, self._begin_lookups)
        dependencies = Dependencies(
            reads=reads,
            by_key=self._loader.by_key,
            is_shared=looks_up,
            load=self._loader.load,
            submit=self._loader.submit,
            frontend=self,
            monotonic=lambda: self.now,
            now=lambda: self.time_of_day,
            new_id=lambda: f"new-{next(self._ids)}",
            limits=limits or Limits(),
            retention=retention or Retention(),
            end_after_s=end_after_s,
            rules=rules or RuleSet(),
            tally=self.tally,
            refusals=refusals or RefusalQueue(),
            max_active_profiles=max_active_profiles,
            max_cached_sessions=max_cached_sessions,
            max_document_bytes=max_document_bytes,
        )
        self.tell(self.create(Guardian), dependencies)

    def _make_lookups(self, looked_up: LookedUp) -> SteppedLookups:
        self.lookups = SteppedLookups(self.reads, looked_up)
        return self.lookups

    def started(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def answered(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            assert answer.number not in self.answers, "a call is answered once"
            self.answers[answer.number] = answer

    def store_writable(self, writable: bool) -> None:
        self.health.append(writable)

    def tick_soon(self, delay_s: float) -> None:
        self.delays.append(delay_s)

    def is_observed(self) -> bool:
        return self.observed

    def _submit(self, batch: Sequence[Change]) -> None:
        if not self.takes_batches:
            raise OSError("no such writer")
        self.batches.append(batch)

    def create(self, actor: type) -> Any:
        return self._system.createActor(actor)

    def tell(self, address: Any, message: Any) -> None:
        self._loader.tell(address, message)
        self._begin_lookups()

    def _begin_lookups(self) -> None:
        while self._due:
            self._due.pop()()

    def track(self, call: Track) -> int:
        """Send a call; returns its number."""
        self.tell(self.wiring.source_auth, call)
        return call.number

    def reason(self, number: int) -> Reason | None:
        """The reason why the call was refused; None if it was not."""
        return reason(self.answers.get(number))

    def commit(self) -> None:
        self.finish(commit(self.reads, self.batches.popleft()))

    def finish(self, result: BatchResult) -> None:
        """End the batch under way with this result."""
        self._loader.committed(result)
        self.tell(self.wiring.event_writer, BatchCommitted(result))

    def fail(self) -> None:
        self.batches.popleft()
        self.finish(BatchResult(error=StoreError("the disk is full")))

    def tick(self) -> None:
        self.tell(self.wiring.guardian, Tick())

    def close(self) -> None:
        self._system.shutdown()


StartActors = Callable[..., BareActors]
"""Takes what `BareActors` takes."""
