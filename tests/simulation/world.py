"""Plays a history: nodes that are asked, commit, fail, crash and start again, and a referee who hears of all of it."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from tests.simulation.disk import Disk, FileDisk, MemoryDisk
from tests.simulation.node import BEGAN, Node
from tests.simulation.referee import Asked, Referee
from tests.simulation.steps import (
    Administer,
    BreakReads,
    BreakWriter,
    Call,
    Commit,
    Crash,
    Erase,
    Fetch,
    Happening,
    History,
    Retry,
    Rules,
    Step,
    Tick,
    Whom,
)
from tests.simulation.violation import Violation, check
from trackd.actors import messages
from trackd.core.calls import Request, Track, Tracked, TrackedEvent
from trackd.core.changes import Change, Changes, DeleteEvents, DeleteSessions, Erasure, Outcome, PutSource
from trackd.core.documents import Source, timestamp
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult
from trackd.storage.writer import commit as commit_to

DELETED_AT_ONCE = 3  # rows of a step: few, so that deletions take many
COMPARED_EVERY = 25  # commits: the whole store against the whole model
MAX_DRAIN = 1_000  # batches, after which calls that still wait are taken to wait for ever


class World:
    def __init__(self, history: History) -> None:
        self._stage = history.stage
        self._disk: Disk = FileDisk() if self._stage.in_file else MemoryDisk()
        self._ids = itertools.count(1)
        self._milliseconds = 0
        self._referee = Referee(self._stage.nodes, self._disk.contents())
        self._by_label: dict[int, Asked] = {}
        self._calls: dict[int, Call] = {}
        self._commits = 0
        self._nodes = [self._start(number) for number in range(self._stage.nodes)]

    def _start(self, number: int) -> Node:
        node = Node(number, self._disk.open(), self._stage, self._referee, self._ids)
        node.pass_time(self._milliseconds / 1000)
        return node

    def close(self) -> None:
        for node in self._nodes:
            node.close()
            node.store.close()
        self._disk.remove()

    # Steps: each tells whether it had something to do.

    def take(self, step: Step) -> bool:
        node = self._nodes[step.node]
        match step:
            case Call():
                self._call(step, step.label, node)
            case Retry():
                call = self._calls.get(step.of)
                if call is None:
                    return False
                self._call(call, step.label, node)
            case Erase():
                if (profile_id := self._named(step.whom)) is None:
                    return False
                self._ask(node, messages.Erase(step.label, profile_id, self._moment(), step.keep_events))
            case Fetch():
                if (profile_id := self._named(step.whom)) is None:
                    return False
                fetched = self._ask(node, messages.Fetch(step.label, profile_id))
                check(not fetched.waits, "a fetch is not answered")
            case Administer():
                self._ask(node, messages.Administer(step.label, PutSource(Source("other", f"at {step.label}"))))
            case Commit():
                if not node.batches:
                    return False
                self._commit(node, step)
            case Crash():
                self._crash(node, durable=step.durable)
            case Rules():
                node.use_rules(step.which)
            case Tick():
                self._milliseconds += step.seconds * 1000
                for each in self._nodes:
                    each.pass_time(self._milliseconds / 1000)
                node.tick()
            case BreakReads():
                node.reads.fail = step.reads
            case BreakWriter():
                node.takes_batches = step.takes
        return True

    def _moment(self) -> str:
        """A time that no other request has."""
        self._milliseconds += 1
        return timestamp(BEGAN + timedelta(milliseconds=self._milliseconds))

    def _named(self, whom: Whom | None) -> str | None:
        if whom is None or whom.id is not None:
            return whom and whom.id
        asked = self._by_label.get(whom.label)
        return asked.answer.profile_id if asked and isinstance(asked.answer, Tracked) else None

    def _call(self, call: Call, label: int, node: Node) -> None:
        self._calls[label] = call
        track = Track(
            number=label,
            source_id=call.source,
            session_id=call.session,
            received=self._moment(),
            profile_id=self._named(call.whom),
            events=tuple(self._event(event, f"made-{label}.{place}") for place, event in enumerate(call.events)),
            context=None if call.context is None else {"c": call.context},
            save_session=call.keep_session,
            wants_profile=call.wants_profile,
        )
        self._by_label[label] = self._ask(node, track)

    def _event(self, event: Happening, made: str) -> TrackedEvent:
        return TrackedEvent(
            id=event.id or made,
            own_id=event.id is not None,
            type=event.type,
            created=timestamp(BEGAN),
            store=event.store,
        )

    def _ask(self, node: Node, request: Request[Any]) -> Asked:
        assert node.wiring is not None
        asked = self._referee.ask(node, request)
        match request:
            case Track():
                address = node.wiring.source_auth
            case messages.Administer():
                address = node.wiring.event_writer
            case _:
                address = node.wiring.directory
        node.tell(address, request)
        return asked

    def _crash(self, node: Node, *, durable: bool) -> None:
        if durable and node.batches:
            self._write(node, node.batches[0])
        self._referee.crash(node)
        node.close()
        if self._stage.in_file:
            node.store.close()
        self._nodes[node.number] = self._start(node.number)
        self.compare()

    # The disk

    def _commit(self, node: Node, step: Commit) -> None:
        batch = [_small(change) for change in node.batches.popleft()]
        failed = BatchResult(error=StoreError("the disk is full"))
        match step.how:
            case "stored":
                result = self._write(node, batch)
            case "lost":
                node.failed_commits += 1
                result = failed
            case "unheard":
                node.failed_commits += 1
                self._write(node, batch, excused=True)
                result = failed
            case _:
                node.failed_commits += 1
                result = BatchResult(self._write_but_one(node, batch, step.place % len(batch) if batch else 0))
        self._referee.decides(node)
        node.finish(result)
        self._commits += 1
        if self._commits % COMPARED_EVERY == 0:
            self.compare()

    def _write(self, node: Node, batch: Sequence[Change], *, excused: bool = False) -> BatchResult:
        result = commit_to(node.store, batch)
        check(result.error is None, f"the store failed: {result.error}")
        for change, outcome in zip(batch, result.outcomes, strict=True):
            self._referee.written(node, change, outcome, excused=excused)
        return result

    def _write_but_one(self, node: Node, batch: Sequence[Change], flawed: int) -> list[Outcome]:
        """As SqliteStore does when a row cannot be stored: what is built on it is stale."""
        outcomes: list[Outcome] = []
        undone: set[str] = set()
        for place, change in enumerate(batch):
            profile_id = change.fence.profile_id if isinstance(change, Changes | Erasure) else None
            if place == flawed:
                outcomes.append(Outcome.FAILED)
            elif profile_id in undone:
                outcomes.append(Outcome.STALE)
            else:
                outcomes += self._write(node, [change]).outcomes
            if outcomes[-1] is not Outcome.STORED and profile_id is not None:
                undone.add(profile_id)
        self._referee.move()
        return outcomes

    # The end

    def drain(self) -> None:
        """The disk is well again: whoever waits has to be answered."""
        for node in self._nodes:
            node.takes_batches, node.reads.fail = True, 0
            for _ in range(MAX_DRAIN):
                if not node.batches:
                    break
                self._commit(node, Commit(node.number))
        check(not self._referee.waiting, f"nobody answers {self._referee.waiting}")
        self.compare()
        found = self._disk.faults()
        if self._stage.nodes > 1:  # a call may have come to one node before, and be written after another's erasure
            found = [fault for fault in found if not fault.startswith("erased:")]
        check(not found, f"the audit finds {found}")

    def compare(self) -> None:
        self._referee.compare(self._disk.contents())


def _small(change: Change) -> Change:
    return replace(change, limit=DELETED_AT_ONCE) if isinstance(change, DeleteEvents | DeleteSessions) else change


def play(history: History) -> int:
    """Returns how many steps had something to do. Raises Violation, which says after which step."""
    with _silence():
        world = World(history)
        taken, step = 0, None
        try:
            for step in history.steps:
                taken += world.take(step)
            step = None
            world.drain()
        except Violation as violation:
            violation.step = step
            raise
        except Exception as error:
            raise Violation(f"{type(error).__name__}: {error}", step) from error
        finally:
            world.close()
    return taken


@contextmanager
def _silence() -> Iterator[Any]:
    """Failures are what is simulated: nobody reads the log lines of a million of them."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
