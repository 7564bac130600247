"""The actors for the code outside of them: requests go in, their answers come out."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from trackd.actors.base import RETRY_AFTER_S
from trackd.actors.commits import Commits
from trackd.actors.event_counts import count_events
from trackd.actors.guardian import Guardian
from trackd.actors.loader import Direct, Loader, MakeLookups
from trackd.actors.messages import Aborted, BatchCommitted, Reason, Refused, RulesChanged, Tick, WriteRefusals
from trackd.actors.pending import Pending, Queue
from trackd.actors.thespian_adapter import actor_system
from trackd.actors.wiring import Dependencies, Wiring, new_id
from trackd.config.settings import Actors, Limits, Refusals, Retention, Sessions
from trackd.core.calls import Answer, Rejected, Request, Tracked
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.store import Store
from trackd.storage.workers.writer_thread import WriterThread
from trackd.storage.writer import BatchResult, BatchWriter, Committed
from trackd.telemetry.dropped_events import DroppedEvents
from trackd.telemetry.faults import without_values
from trackd.telemetry.tally import Tally

log = logging.getLogger(__name__)

TICK_S = 0.5
FAILED_START_TIMEOUT_S = 1.0

MakeWriter = Callable[[Store, Committed], BatchWriter]

A = TypeVar("A", bound=Answer)


class Tracker:
    """Owns the actor system and the writer. Start it in the running event loop; each request gets one answer."""

    def __init__(
        self,
        store: Store,
        actors: Actors | None = None,
        limits: Limits | None = None,
        rules: RuleSet | None = None,
        make_writer: MakeWriter = WriterThread,
        retention: Retention | None = None,
        sessions: Sessions | None = None,
        refusals: Refusals | None = None,
        make_lookups: MakeLookups | None = None,
    ) -> None:
        self._store, self._make_lookups = store, make_lookups
        self._actors = actors or Actors()
        self.max_document_bytes = self._actors.max_document_bytes
        self._limits = limits = limits or Limits()
        self._max_calls, self._max_bytes = limits.max_queued_calls, limits.max_queued_bytes
        self._timeout_s = limits.call_timeout_s
        self.rules = rules or RuleSet()
        """Those in force. See `use_rules`."""
        self._retention = retention or Retention()
        self._sessions = sessions or Sessions()
        self._make_writer = make_writer
        self._numbers = itertools.count(1)
        self._pending: dict[int, Pending[Any]] = {}  # by number, the oldest first
        self._answered: list[Pending[Any]] = []  # to be handed over
        self.queued_bytes = 0  # of `queue`
        self._wiring: Wiring | None = None
        self.stopping = False
        self._ending = False
        self._refused_for: Reason | None = None  # all requests
        self._store_writable = True
        self._is_observed = False
        self.writer_ended = True  # no writer was started
        self._idle = asyncio.Event()
        self.dropped_events = DroppedEvents()
        kept = refusals or Refusals()
        self.refusals = RefusalQueue(kept.keep, bodies=kept.bodies)
        self.tally, self.commits = Tally(), Commits()

    @property
    def ready(self) -> bool:
        """Whether calls are accepted and the store takes writes. While it is read, a store without calls is tried."""
        self._is_observed = True
        return self._wiring is not None and not self.stopping and self._store_writable

    @property
    def started_up(self) -> bool:
        return self._wiring is not None

    @property
    def queue(self) -> Queue:
        return Queue(len(self._pending), self.queued_bytes, self._max_calls, self._max_bytes)

    @property
    def writer_pid(self) -> int | None:
        """The id of the process that commits, None without one."""
        return None if self.writer_ended else self._writer.pid

    @property
    def commit_age_s(self) -> float:
        """How long the commit under way has taken, 0 when there is none."""
        began = self.tally.commit_began
        return 0.0 if began is None else time.monotonic() - began

    def next_number(self) -> int:
        return next(self._numbers)

    async def start(self) -> None:
        """Start the writer and the actors. When it fails or is cancelled, neither runs. Raises StoreError."""
        self._loop = asyncio.get_running_loop()
        self._writer = self._make_writer(self._store, self._committed)
        await self._writer.start()
        self.writer_ended = False
        try:
            self._start_actors()
        except BaseException:
            self.writer_ended = await self._writer.close(FAILED_START_TIMEOUT_S)
            raise
        self._ticking = self._loop.call_later(TICK_S, self._tick)

    def _start_actors(self) -> None:
        self._system = actor_system(self.tally.handled)
        self._loader = self._new_loader()
        dependencies = Dependencies(
            reads=self._store,
            by_key=self._loader.by_key,
            is_shared=self._make_lookups is not None,
            load=self._loader.load,
            submit=self._loader.submit,
            frontend=self,
            monotonic=time.monotonic,
            now=lambda: datetime.now(UTC),
            new_id=new_id,
            max_active_profiles=self._actors.max_active_profiles,
            max_cached_sessions=self._actors.max_cached_sessions,
            max_document_bytes=self.max_document_bytes,
            limits=self._limits,
            retention=self._retention,
            end_after_s=self._sessions.end_after_s,
            rules=self.rules,
            tally=self.tally,
            refusals=self.refusals,
        )
        self._system.tell(self._system.createActor(Guardian), dependencies)
        if self._wiring is None:
            raise RuntimeError("the actors did not start")

    def _new_loader(self) -> Loader | Direct:
        tell, submit = self._system.tell, self._writer.submit
        if self._make_lookups is None:
            return Direct(self._store, tell, submit)
        return Loader(tell, submit, self.tally, self._make_lookups, self._loop.call_soon, self._hand_over)

    def ask(self, request: Request[A], size: int = 0) -> asyncio.Future[A | Aborted]:
        """Send a request to the actors. The future always gets an answer, never an exception. See `submit`."""
        future: asyncio.Future[A | Aborted] = asyncio.get_running_loop().create_future()

        def answered() -> None:
            if pending.answer is not None and not future.done():  # its caller no longer waits
                future.set_result(pending.answer)

        pending = Pending(request, size, answered)
        self.submit(pending)
        answered()  # if it was refused at once
        return future

    def submit(self, pending: Pending[Any]) -> None:
        """Send a request to the actors. Its answer is handed over when its commit has ended, in the same iteration.

        Its size counts towards `max_queued_bytes`.
        """
        request, size = pending.request, pending.size
        if self._refused_for is not None or self._wiring is None:
            self._answer(pending, Refused(request.number, self._refused_for or Reason.STOPPING, RETRY_AFTER_S))
        elif len(self._pending) >= self._max_calls or self.queued_bytes + size > self._max_bytes:
            self._answer(pending, Refused(request.number, Reason.OVERLOADED, RETRY_AFTER_S))
        else:
            pending.deadline = self._loop.time() + self._timeout_s
            self._pending[request.number] = pending
            self.queued_bytes += size
            self._loader.tell(self._wiring.routes[type(request)], request)
        if self._answered:
            asyncio.get_running_loop().call_soon(self._hand_over)

    def use_rules(self, rules: RuleSet) -> None:
        """Admit calls under these rules from now on."""
        self.rules = rules
        if self._wiring is not None:
            self._system.tell(self._wiring.source_auth, RulesChanged(rules))

    def refuse_calls(self) -> None:
        """Refuse requests from now on, because trackd is stopping."""
        self.stopping = True
        self._refused_for = Reason.STOPPING
        self.commits.end()

    def store_closed(self, is_closed: bool) -> None:
        """Refuse requests while the store can neither read nor write, until it is opened again."""
        if not self.stopping:
            self._refused_for = Reason.STORE_FAILED if is_closed else None

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Wait for the answers to pending requests, then end the writer and the actors.

        After the timeout pending requests are refused. If the writer does not end either, because the disk hangs,
        `writer_ended` stays False.
        """
        self.refuse_calls()
        deadline = self._loop.time() + timeout_s
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    while self._pending:
                        self._idle.clear()
                        await self._idle.wait()
        finally:  # also when the stop is cancelled
            await self._end(max(1.0, deadline - self._loop.time()))

    async def _end(self, timeout_s: float) -> None:
        self._ticking.cancel()
        if self._wiring is not None and (change := self.refusals.change()):
            self._system.tell(self._wiring.event_writer, WriteRefusals(change))
        self._ending = True
        self._loader.close()
        for number, pending in self._pending.items():
            self._answer(pending, Refused(number, Reason.STOPPING, RETRY_AFTER_S))
        self._hand_over()
        try:
            self.writer_ended = await self._writer.close(timeout_s)
        finally:
            self._wiring = None
            self._system.shutdown()

    def started(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def answered(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            pending = self._pending.pop(answer.number)
            request: Any = pending.request
            self.queued_bytes -= pending.size
            if isinstance(answer, Tracked) and answer.outcomes is None:
                self.tally.events[request.source_id, "stored"] += len(request.events)
            elif isinstance(answer, (Tracked, Rejected)):  # a union takes three times as long
                count_events(self.tally, self.dropped_events, self.refusals, request, answer)
            if pending.answer is None:  # not refused after the time-out
                pending.answer = answer
                self._answered.append(pending)
        if not self._pending:
            self._idle.set()

    def _answer(self, pending: Pending[Any], answer: Answer) -> None:
        if pending.answer is None:
            pending.answer = answer
            self._answered.append(pending)

    def _hand_over(self) -> None:
        """Outside of the actors: who takes an answer may submit the next request."""
        while self._answered:
            answered, self._answered = self._answered, []
            for pending in answered:
                try:
                    pending.answered()
                except Exception as error:  # the others are handed over all the same
                    log.error("an answer was not taken", exc_info=without_values(error))

    def store_writable(self, writable: bool) -> None:
        self._store_writable = writable

    def tick_soon(self, delay_s: float) -> None:
        if self._ticking.when() > self._loop.time() + delay_s and not self._ending:
            self._ticking.cancel()
            self._ticking = self._loop.call_later(delay_s, self._tick)

    def is_observed(self) -> bool:
        is_observed, self._is_observed = self._is_observed, False
        return is_observed

    def _committed(self, result: BatchResult) -> None:
        self.commits.add()
        if self._wiring is not None and not self._ending:  # they would submit more, as the next step of a deletion
            self._loader.committed(result)
            self._system.tell(self._wiring.event_writer, BatchCommitted(result))
            self._hand_over()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        if self._wiring is not None:
            self._system.tell(self._wiring.guardian, Tick())
        for number, pending in self._pending.items():
            if pending.deadline > self._loop.time():
                break
            self._answer(pending, Refused(number, Reason.TIMED_OUT, RETRY_AFTER_S))
        self._hand_over()
