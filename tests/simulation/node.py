"""A node: one trackd process of the simulation. It has the real actors, and reads and a writer that can fail."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from tests.simulation.disk import BEGIN
from tests.simulation.rules import MAX_CALL_WORK, RULES
from tests.simulation.steps import Setup
from tests.simulation.violation import check
from tests.support.bare_actors import BareActors
from trackd.actors.loader import Loader
from trackd.actors.messages import RulesChanged
from trackd.config.settings import Limits, Retention
from trackd.core.calls import Answer, Track
from trackd.core.changes import Change
from trackd.core.documents import FirstCopy, Profile, Session, Source
from trackd.core.retention_changes import RetentionStop
from trackd.storage.errors import StoreError
from trackd.storage.store import OfOneServer, Store
from trackd.storage.writer import BatchResult

BEGAN = datetime.fromisoformat(BEGIN)


class Observer(Protocol):
    def answered(self, node: "Node", answer: Answer) -> None: ...


class FailingReads(OfOneServer):
    """The reads of a store. The next `fail` of them raise StoreError; `failed` counts those that did."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fail = self.failed = 0

    def _try(self) -> None:
        if self.fail:
            self.fail -= 1
            self.failed += 1
            raise StoreError("the disk cannot be read")

    def profile(self, profile_id: str) -> Profile | None:
        self._try()
        return self._store.profile(profile_id)

    def is_erased(self, profile_id: str) -> bool:
        self._try()
        return self._store.is_erased(profile_id)

    def session(self, session_id: str) -> Session | None:
        self._try()
        return self._store.session(session_id)

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        self._try()
        return self._store.session_and_profile(session_id)

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        self._try()
        return self._store.known_events(profile_id, event_ids)

    def first_copies(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        self._try()
        return self._store.first_copies(profile_id, event_ids)

    def newest_time(self, latest: str) -> str | None:
        return self._store.newest_time(latest)

    def retention_stop(self) -> RetentionStop:
        return self._store.retention_stop()

    def sources_version(self) -> int:
        return self._store.sources_version()

    def sources(self) -> Sequence[Source]:
        return self._store.sources()

    def check(self) -> None:
        self._store.check()


class Node(BareActors):
    """`failed_commits` counts those that failed on purpose. `rules` is the index in `RULES` in force.

    `unreported` is the result of a batch that has ended, which the node does not have yet.
    """

    def __init__(
        self, number: int, store: Store, setup: Setup, observer: Observer, ids: Iterator[int], claimant: int
    ) -> None:
        """`ids` are shared by all nodes. `claimant` is the name of this node in claims, another one after a crash."""
        self.number = number
        self.store = store
        self.claimant = claimant
        self.failed_commits = 0
        self.unreported: BatchResult | None = None
        self.is_paused = False
        self._held_back: list[tuple[Any, Any]] = []
        self._retries_at = math.inf
        self.rules = 0
        self._observer = observer
        self._inbox: list[Answer] = []
        super().__init__(
            FailingReads(store),
            retention=Retention(events_keep_days=setup.retention_days, sessions_keep_days=setup.retention_days),
            end_after_s=setup.end_after_s,
            looks_up=setup.looks_up,
            max_active_profiles=setup.max_active_profiles,
            max_cached_sessions=setup.max_cached_sessions,
            max_document_bytes=2_048 if setup.little_memory else 2**30,
            limits=Limits(
                max_call_work=MAX_CALL_WORK,
                max_queued_bytes=4_096 if setup.little_memory else Limits().max_queued_bytes,
            ),
        )
        self._ids = ids  # shared by all nodes, also after a crash: no id is made twice

    def answered(self, answers: Sequence[Answer]) -> None:
        self._inbox += answers

    def ask(self, address: Any, request: Any) -> None:
        """Send a request, which waits while the node is paused."""
        if self.is_paused:
            self._held_back.append((address, request))
        else:
            self.tell(address, request)

    def pause(self, *, begins: bool) -> None:
        self.is_paused = begins
        if not begins:
            held_back, self._held_back = self._held_back, []
            for address, request in held_back:
                self.tell(address, request)

    def tell(self, address: Any, message: Any) -> None:
        """Send a message, then check the answers: a Violation raised below an actor would be caught by BaseActor."""
        super().tell(address, message)
        if self.delays:
            self._retries_at = min(self._retries_at, self.now + min(self.delays))
            self.delays.clear()
        self._check()

    @property
    def has_retries(self) -> bool:
        """Whether calls wait until they are decided again."""
        return self._retries_at < math.inf

    def retry(self) -> None:
        """The tick at which calls are decided again, if it is due."""
        if self._retries_at <= self.now:
            self._retries_at = math.inf
            self.tick()

    def look_up(self, when: str) -> bool:
        """End the lookup under way; returns whether there is one."""
        if self.lookups is None or self.lookups.wanted is None:
            return False
        self.lookups.step(when)
        self._check()
        return True

    @property
    def not_admitted(self) -> set[int]:
        """The numbers of the calls that wait behind others for a lookup: rules that change before it hold for them."""
        if not isinstance(self._loader, Loader):
            return set()
        waiting = [*self._loader._waiting, *(self._loader._under_way or ())]
        return {each.request.number for each in waiting if isinstance(each.request, Track)}

    @property
    def is_looking_up(self) -> bool:
        return self.lookups is not None and self.lookups.wanted is not None

    def _check(self) -> None:
        check(not self.tally.faults, f"a handler raised: {dict(self.tally.faults)}")
        answers, self._inbox = self._inbox, []
        for answer in answers:
            self._observer.answered(self, answer)

    @property
    def failures(self) -> int:
        """How often its store failed."""
        return self.failed_commits + int(self.reads.failed)

    def _submit(self, batch: Sequence[Change]) -> None:
        self.failed_commits += not self.takes_batches
        super()._submit(batch)

    def use_rules(self, which: int) -> None:
        self.rules = which
        self.tell(self.wiring.source_auth, RulesChanged(RULES[which]))

    def pass_time(self, seconds: float) -> None:
        self.now = seconds
        self.time_of_day = BEGAN + timedelta(seconds=seconds)
