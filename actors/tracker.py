"""The actor system on the event loop's thread: calls go in, answers come out."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, overload

import uuid_utils
from msgspec import Struct
from thespian.actors import ActorAddress

from trackd.actors.base import RETRY_AFTER_S
from trackd.actors.guardian import Guardian
from trackd.actors.messages import (
    Aborted,
    Administer,
    Administered,
    Answer,
    BatchCommitted,
    Erase,
    Erased,
    Fetch,
    Fetched,
    Reason,
    Refused,
    Request,
    RulesChanged,
    Tick,
)
from trackd.actors.thespian_adapter import actor_system
from trackd.actors.wiring import Dependencies, Wiring
from trackd.config.settings import Actors, Limits, Retention
from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.store import Store
from trackd.storage.workers.writer_thread import WriterThread
from trackd.storage.writer import BatchResult, BatchWriter, Committed
from trackd.telemetry.dropped_events import DroppedEvents
from trackd.telemetry.tally import Tally

TICK_S = 0.5

MakeWriter = Callable[[Store, Committed], BatchWriter]


class _Waiting(Struct):
    """What the actors have not answered yet. `deadline` is in seconds of the monotonic clock."""

    request: Request
    future: asyncio.Future[Answer]
    size: int
    deadline: float


class Queue(Struct, frozen=True):
    """How much waits for an answer, and how much may: past it calls are refused."""

    calls: int
    size: int
    max_calls: int
    max_size: int


def new_id() -> str:
    """A UUIDv7: time-ordered, so that an index grows at its end."""
    return str(uuid_utils.uuid7())


class Tracker:
    """What the HTTP side asks. Start it inside the running event loop; every call that it takes gets an answer."""

    def __init__(
        self,
        store: Store,
        actors: Actors | None = None,
        limits: Limits | None = None,
        rules: RuleSet | None = None,
        make_writer: MakeWriter = WriterThread,
        retention: Retention | None = None,
    ) -> None:
        self._store = store
        self._actors = actors or Actors()
        self._limits = limits or Limits()
        self._rules = rules or RuleSet()
        self._retention = retention or Retention()
        self._make_writer = make_writer
        self._numbers = itertools.count(1)
        self._calls: dict[int, _Waiting] = {}
        self._queued_bytes = 0
        self._wiring: Wiring | None = None
        self._stopping = False
        self._store_writable = True
        self.writer_ended = True  # as long as none was started
        self._idle = asyncio.Event()
        self.dropped_events = DroppedEvents()
        self.tally = Tally()

    @property
    def ready(self) -> bool:
        """Whether calls are taken and the store takes writes."""
        return self._wiring is not None and not self._stopping and self._store_writable

    @property
    def started_up(self) -> bool:
        return self._wiring is not None

    @property
    def stopping(self) -> bool:
        return self._stopping

    @property
    def queue(self) -> Queue:
        limits = self._limits
        return Queue(len(self._calls), self._queued_bytes, limits.max_queued_calls, limits.max_queued_bytes)

    def next_number(self) -> int:
        return next(self._numbers)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = self._make_writer(self._store, self._committed)
        await self._writer.start()
        self.writer_ended = False
        self._system = actor_system()
        dependencies = Dependencies(
            reads=self._store,
            submit=self._writer.submit,
            frontend=self,
            monotonic=time.monotonic,
            now=lambda: datetime.now(UTC),
            new_id=new_id,
            max_active_profiles=self._actors.max_active_profiles,
            max_cached_sessions=self._actors.max_cached_sessions,
            limits=self._limits,
            retention=self._retention,
            rules=self._rules,
            tally=self.tally,
        )
        self._system.tell(self._system.createActor(Guardian), dependencies)
        if self._wiring is None:
            raise RuntimeError("the actors did not start")
        self._ticking = self._loop.call_later(TICK_S, self._tick)

    @overload
    def ask(self, request: Track, size: int) -> asyncio.Future[Tracked | Rejected | Aborted]: ...
    @overload
    def ask(self, request: Erase) -> asyncio.Future[Erased | Aborted]: ...
    @overload
    def ask(self, request: Fetch) -> asyncio.Future[Fetched | Aborted]: ...
    @overload
    def ask(self, request: Administer) -> asyncio.Future[Administered | Aborted]: ...
    def ask(self, request: Request, size: int = 0) -> asyncio.Future[Any]:
        """Ask the actors; `size` is that of a call's body in bytes. The future always ends with an answer."""
        refusal = self._refusal(request, size)
        if refusal is not None or self._wiring is None:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_result(refusal or Refused(request.number, Reason.STOPPING, RETRY_AFTER_S))
            return future
        future = self._loop.create_future()  # Python asks the system for its process id to find the running loop
        self._calls[request.number] = _Waiting(request, future, size, self._loop.time() + self._limits.call_timeout_s)
        self._queued_bytes += size
        self._system.tell(_addressee(request, self._wiring), request)
        return future

    def _refusal(self, request: Request, size: int) -> Refused | None:
        if self._stopping:
            return Refused(request.number, Reason.STOPPING, RETRY_AFTER_S)
        if (
            len(self._calls) >= self._limits.max_queued_calls
            or self._queued_bytes + size > self._limits.max_queued_bytes
        ):
            return Refused(request.number, Reason.OVERLOADED, RETRY_AFTER_S)
        return None

    def use_rules(self, rules: RuleSet) -> None:
        """Calls that come from now on come under these rules."""
        self._rules = rules
        if self._wiring is not None:
            self._system.tell(self._wiring.source_auth, RulesChanged(rules))

    def refuse_calls(self) -> None:
        """From now on refuse new calls, because trackd is stopping."""
        self._stopping = True

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Wait for the calls that were taken, then end the writer and the actors.

        When the disk hangs, the calls that wait for it are refused, and `writer_ended` stays False.
        """
        self.refuse_calls()
        deadline = self._loop.time() + timeout_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while self._calls:
                    self._idle.clear()
                    await self._idle.wait()
        self._ticking.cancel()
        for number, waiting in self._calls.items():
            _answer(waiting, Refused(number, Reason.STOPPING, RETRY_AFTER_S))
        left_s = max(1.0, deadline - self._loop.time())
        self.writer_ended = await self._writer.close(left_s)
        self._wiring = None
        self._system.shutdown()

    def started(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def answered(self, answer: Answer) -> None:
        waiting = self._calls.pop(answer.number)
        self._queued_bytes -= waiting.size
        if isinstance(answer, (Tracked, Rejected)):  # a union takes three times as long
            self._count_events(waiting.request, answer)
        _answer(waiting, answer)
        if not self._calls:
            self._idle.set()

    def _count_events(self, call: Request, answer: Tracked | Rejected) -> None:
        """Only sources that are known get here: the calls of others are refused."""
        assert isinstance(call, Track)
        if isinstance(answer, Rejected):
            self.tally.events[call.source_id, "rejected"] += len(call.events)
        elif answer.outcomes is None:
            self.tally.events[call.source_id, "stored"] += len(call.events)
        else:
            for outcome, number in answer.outcomes.items():
                self.tally.events[call.source_id, outcome] += number
            if answer.report.dropped:
                self.dropped_events.add(answer.report.dropped)

    def store_writable(self, writable: bool) -> None:
        self._store_writable = writable

    def _committed(self, result: BatchResult) -> None:
        if self._wiring is not None:
            self._system.tell(self._wiring.event_writer, BatchCommitted(result))

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        if self._wiring is not None:
            self._system.tell(self._wiring.guardian, Tick())
        for number, waiting in self._calls.items():
            if waiting.deadline > self._loop.time():
                break
            _answer(waiting, Refused(number, Reason.TIMED_OUT, RETRY_AFTER_S))


def _addressee(request: Request, wiring: Wiring) -> ActorAddress:
    match request:
        case Track():
            return wiring.source_auth
        case Administer():
            return wiring.event_writer
        case Erase() | Fetch():
            return wiring.directory


def _answer(waiting: _Waiting, answer: Answer) -> None:
    if not waiting.future.done():  # the caller may be gone, or was told that it takes too long
        waiting.future.set_result(answer)
