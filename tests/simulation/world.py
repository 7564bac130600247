"""The world: plays a history on its nodes and its disk, and reports every request, commit and crash to the referee."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from tests.simulation.disk import Disk, FileDisk, MemoryDisk
from tests.simulation.node import BEGAN, Node
from tests.simulation.observed import Observed
from tests.simulation.referee import Referee
from tests.simulation.rules import RULES
from tests.simulation.steps import (
    Administer,
    BreakReads,
    BreakWriter,
    Call,
    Commit,
    Crash,
    Erase,
    EventSpec,
    Fetch,
    History,
    LookUp,
    ProfileRef,
    Reevaluate,
    Refuse,
    Retry,
    Rules,
    Step,
    Tick,
)
from tests.simulation.violation import Violation, check
from trackd.actors import messages
from trackd.core.calls import Request, Track, Tracked, TrackedEvent
from trackd.core.changes import Change, Changes, Erasure, Outcome
from trackd.core.documents import Source, source_metadata, timestamp
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.core.source_changes import AddSource
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult
from trackd.storage.writer import commit as commit_to

STEP_ROWS = 3  # so few that a deletion takes many steps
COMPARE_EVERY = 25  # commits
COMMIT_S = 0.001  # a commit takes as long each time: deletions wait in proportion
MAX_DRAIN = 1_000  # batches; calls that wait after them will wait for ever


class World:
    def __init__(self, history: History) -> None:
        self._setup = history.setup
        self._disk: Disk = FileDisk() if self._setup.in_file else MemoryDisk()
        self._ids = itertools.count(1)
        self._milliseconds = 0
        self._referee = Referee(self._setup.nodes, self._disk.contents(), self._setup.end_after_s)
        self._by_label: dict[int, Observed] = {}
        self._calls: dict[int, Call] = {}
        self._commits = 0
        self._nodes = [self._start(number) for number in range(self._setup.nodes)]

    def _start(self, number: int) -> Node:
        node = Node(number, self._disk.open(), self._setup, self._referee, self._ids)
        node.pass_time(self._milliseconds / 1000)
        return node

    def close(self) -> None:
        for node in self._nodes:
            node.close()
            node.store.close()
        self._disk.remove()

    def perform(self, step: Step) -> bool:
        """Returns whether the step had something to do."""
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
                if (profile_id := self._profile_id(step.profile)) is None:
                    return False
                self._ask(node, messages.Erase(step.label, profile_id, self._unique_time(), step.keep_events))
            case Reevaluate():
                if (profile_id := self._profile_id(step.profile)) is None:
                    return False
                rules = RULES[node.rules]
                self._ask(node, messages.Reevaluate(step.label, profile_id, rules, self._unique_time()))
            case Fetch():
                if (profile_id := self._profile_id(step.profile)) is None:
                    return False
                fetched = self._ask(node, messages.Fetch(step.label, profile_id))
                check(not fetched.waits or node.is_looking_up, "a fetch is not answered")
            case Administer():
                times = source_metadata(timestamp(BEGAN), timestamp(BEGAN))
                source = Source(f"other-{step.label}", "other", metadata=times)
                self._ask(node, messages.Administer(step.label, AddSource(source)))
            case Refuse():
                self._refuse(node, step)
            case Commit():
                if not node.batches:
                    return False
                self._commit(node, step)
            case Crash():
                self._crash(node, durable=step.durable)
            case Rules():
                node.use_rules(step.which)
                for label in node.not_admitted:
                    self._by_label[label].rules = step.which
            case Tick():
                self._milliseconds += step.seconds * 1000
                for each in self._nodes:
                    each.pass_time(self._milliseconds / 1000)
                node.tick()
            case LookUp():
                self._referee.note_decisions(node)
                return node.look_up(step.when)
            case BreakReads():
                node.reads.fail = step.reads
            case BreakWriter():
                node.takes_batches = step.takes
        return True

    def _refuse(self, node: Node, step: Refuse) -> None:
        profile_id = self._profile_id(step.profile)
        refusals = tuple(
            Refusal(self._unique_time(), 422, f"{step.label}.{place}", profile_id=profile_id, session_id=step.session)
            for place in range(step.refusals)
        )
        node.tell(node.wiring.event_writer, messages.WriteRefusals(PutRefusals(refusals, step.keep)))

    def _unique_time(self) -> str:
        """A time for one request alone."""
        self._milliseconds += 1
        return timestamp(BEGAN + timedelta(milliseconds=self._milliseconds))

    def _profile_id(self, profile: ProfileRef | None) -> str | None:
        if profile is None or profile.id is not None:
            return profile and profile.id
        observed = self._by_label.get(profile.label)
        return observed.answer.profile_id if observed and isinstance(observed.answer, Tracked) else None

    def _call(self, call: Call, label: int, node: Node) -> None:
        self._calls[label] = call
        own_id = next((event.id for event in call.events if event.id is not None), None)
        is_derived = own_id is not None and not call.keep_session
        track = Track(
            number=label,
            source_id=call.source,
            session_id=call.session,
            received=self._unique_time(),
            profile_id=self._profile_id(call.profile),
            derived_profile_id=f"{call.source}/{call.session}/{own_id}" if is_derived else None,
            events=tuple(self._event(event, f"made-{label}.{place}") for place, event in enumerate(call.events)),
            context=None if call.context is None else {"c": call.context},
            save_session=call.keep_session,
            profile_requested=call.profile_requested,
        )
        self._by_label[label] = self._ask(node, track)

    def _event(self, event: EventSpec, made: str) -> TrackedEvent:
        return TrackedEvent(
            id=event.id or made,
            own_id=event.id is not None,
            type=event.type,
            created=timestamp(BEGAN),
            store=event.store,
        )

    def _ask(self, node: Node, request: Request[Any]) -> Observed:
        assert node.wiring is not None
        observed = self._referee.ask(node, request)
        match request:
            case Track():
                address = node.wiring.source_auth
            case messages.Administer():
                address = node.wiring.event_writer
            case _:
                address = node.wiring.directory
        node.tell(address, request)
        return observed

    def _crash(self, node: Node, *, durable: bool) -> None:
        if durable and node.batches:
            self._write(node, node.batches[0])
        self._referee.crash(node)
        node.close()
        if self._setup.in_file:
            node.store.close()
        self._nodes[node.number] = self._start(node.number)
        self.compare()

    def _commit(self, node: Node, step: Commit) -> None:
        batch = [_with_small_steps(change) for change in node.batches.popleft()]
        failed = BatchResult(error=StoreError("the disk is full"))
        match step.how:
            case "stored":
                result = self._write(node, batch)
            case "failed":
                node.failed_commits += 1
                result = failed
            case "unreported":
                node.failed_commits += 1
                self._write(node, batch, may_be_refused=True)
                result = failed
            case _:
                node.failed_commits += 1
                result = BatchResult(self._write_partially(node, batch, step.place % len(batch) if batch else 0))
        self._referee.note_decisions(node)
        node.finish(result)
        self._commits += 1
        if self._commits % COMPARE_EVERY == 0:
            self.compare()

    def _write(self, node: Node, batch: Sequence[Change], *, may_be_refused: bool = False) -> BatchResult:
        result = replace(commit_to(node.store, batch), seconds=COMMIT_S)
        self._disk.note_commit()
        check(result.error is None, f"the store failed: {result.error}")
        for change, outcome in zip(batch, result.outcomes, strict=True):
            self._referee.written(node, change, outcome, may_be_refused=may_be_refused)
        return result

    def _write_partially(self, node: Node, batch: Sequence[Change], partial: int) -> list[Outcome]:
        """As SqliteStore does when a row cannot be stored: changes that depend on it are stale."""
        outcomes: list[Outcome] = []
        not_stored: set[str] = set()
        for place, change in enumerate(batch):
            profile_id = change.fence.profile_id if isinstance(change, Changes | Erasure) else None
            if place == partial:
                outcomes.append(Outcome.FAILED)
            elif profile_id in not_stored:
                outcomes.append(Outcome.STALE)
            else:
                outcomes += self._write(node, [change]).outcomes
            if outcomes[-1] is not Outcome.STORED and profile_id is not None:
                not_stored.add(profile_id)
        self._referee.note_foreign_write()
        return outcomes

    def drain(self) -> None:
        """End the faults and commit everything: then every request must have an answer."""
        for node in self._nodes:
            node.takes_batches, node.reads.fail = True, 0
            for _ in range(MAX_DRAIN):
                looked_up = self.perform(LookUp(node.number, "end"))
                if not self.perform(Commit(node.number)) and not looked_up:
                    break
        check(not self._referee.waiting, f"{self._referee.waiting} get no answer")
        self.compare()
        found = self._disk.faults()
        if self._setup.nodes > 1:  # a call may be decided before an erasure of another node, and be written after it
            found = [fault for fault in found if not fault.startswith("erased:")]
        check(not found, f"the audit finds {found}")

    def compare(self) -> None:
        self._referee.compare(self._disk.contents(), self._disk.feed)


def _with_small_steps(change: Change) -> Change:
    return replace(change, limit=STEP_ROWS) if isinstance(change, DeleteEvents | DeleteSessions) else change


def play(history: History) -> int:
    """Returns how many steps had something to do. Raises Violation, with the step that showed it."""
    with _without_logging():
        world = World(history)
        performed, step = 0, None
        try:
            for step in history.steps:
                performed += world.perform(step)
            step = None
            world.drain()
        except Violation as violation:
            violation.step = step
            raise
        except Exception as error:
            raise Violation(f"{type(error).__name__}: {error}", step) from error
        finally:
            world.close()
    return performed


@contextmanager
def _without_logging() -> Iterator[Any]:
    """Failures are simulated on purpose: their log lines would slow it down and hide the result."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
