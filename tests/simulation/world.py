"""The world: plays a history on its nodes and its disk, and reports every request, commit and crash to the referee."""

import itertools
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from tests.simulation.batches import Batches
from tests.simulation.disk import MakeDisk, disk_of
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
    Land,
    LookUp,
    Pause,
    ProfileRef,
    Reevaluate,
    Refuse,
    Retry,
    Rules,
    Step,
    Tick,
    Wait,
)
from tests.simulation.violation import Violation, check
from trackd.actors import messages, retries
from trackd.core.calls import Request, Track, Tracked, TrackedEvent
from trackd.core.documents import Source, timestamp
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.source_changes import AddSource

COMPARE_EVERY = 25  # commits
MAX_DRAIN = 1_000  # rounds of all nodes; calls that wait after them will wait for ever
DRAIN_MS = 100  # of a pause when nothing else is left
_END_LOOKUP = partial(LookUp, when="end")


class World:
    def __init__(self, history: History, make_disk: MakeDisk) -> None:
        self._setup = history.setup
        self._disk = make_disk(self._setup)
        self._ids, self._claimants = itertools.count(1), itertools.count(1)
        self._milliseconds = 0
        self._referee = Referee(self._setup, self._disk.contents(), keeps_ends=self._disk.keeps_ends)
        self._batches = Batches(self._disk, self._referee)
        self._by_label: dict[int, Observed] = {}
        self._calls: dict[int, Call] = {}
        self._commits = 0
        self._nodes = [self._start(number) for number in range(self._setup.nodes)]

    def _start(self, number: int) -> Node:
        claimant = next(self._claimants)
        node = Node(number, self._disk.open(), self._setup, self._referee, self._ids, claimant)
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
                check(not fetched.waits or node.is_looking_up or node.is_paused, "a fetch is not answered")
            case Administer():
                source = Source(f"other-{step.label}", "other").added(timestamp(BEGAN))
                self._ask(node, messages.Administer(step.label, AddSource(source)))
            case Refuse():
                self._refuse(node, step)
            case Commit():
                if node.is_paused or (node.unreported is None and not node.batches):
                    return False
                self._commit(node, step)
            case Land():
                return self._batches.land(node.store)
            case Crash():
                self._crash(node, step)
            case Pause():
                self._referee.note_decisions(node)
                node.pause(begins=step.begins)
            case Wait():
                self._pass(step.milliseconds)
            case Rules():
                if node.is_paused:
                    return False
                node.use_rules(step.which)
                for label in node.not_admitted:
                    self._by_label[label].rules = step.which
            case Tick():
                self._pass(step.seconds * 1000)
                if node.is_paused:
                    return False
                node.tick()
            case LookUp():
                if node.is_paused:
                    return False
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
        node.ask(node.wiring.event_writer, messages.WriteRefusals(PutRefusals(refusals, step.keep)))

    def _unique_time(self) -> str:
        """A time for one request alone."""
        self._milliseconds += 1
        self._referee.contention.milliseconds = self._milliseconds
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
        node.ask(address, request)
        return observed

    def _crash(self, node: Node, step: Crash) -> None:
        if node.batches and step.batch == "written":
            self._batches.write(node, node.batches[0])
        if node.batches and step.batch == "doubtful":
            self._batches.doubt(node, node.batches[0])
        self._referee.crash(node)
        node.close()
        node.store.close()
        self._nodes[node.number] = self._start(node.number)
        self.compare()

    def _commit(self, node: Node, step: Commit) -> None:
        self._batches.end(node, step)
        self._commits += 1
        if self._commits % COMPARE_EVERY == 0:
            self.compare()

    def _pass(self, milliseconds: int) -> None:
        self._milliseconds += milliseconds
        self._referee.contention.milliseconds = self._milliseconds
        self._disk.pass_time(milliseconds)
        for node in self._nodes:
            node.pass_time(self._milliseconds / 1000)
            if not node.is_paused:
                self._referee.note_decisions(node)
                node.retry()

    def drain(self) -> None:
        """End the faults and commit everything: then every request must have an answer."""
        for node in self._nodes:
            node.takes_batches, node.reads.fail = True, 0
            self.perform(Pause(node.number, begins=False))
        for _ in range(MAX_DRAIN):
            moved = [self.perform(step(each)) for each in range(len(self._nodes)) for step in (_END_LOOKUP, Commit)]
            if not any(moved) and not self.perform(Land()):
                if not any(node.has_retries for node in self._nodes):
                    break
                self._pass(DRAIN_MS)
        check(not self._referee.waiting, f"{self._referee.waiting} get no answer")
        self.compare()
        found = self._disk.faults()
        if (
            self._referee.contention.is_shared
        ):  # a call may be decided before an erasure of another node, and be written after it
            found = [fault for fault in found if not fault.startswith("erased:")]
        check(not found, f"the audit finds {found}")

    def compare(self) -> None:
        self._referee.compare(self._disk.contents(), self._disk.feed)


def play(history: History, make_disk: MakeDisk = disk_of) -> int:
    """Returns how many steps had something to do. Raises Violation, with the step that showed it."""
    with _without_logging(), _repeatable(history):
        world = World(history, make_disk)
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


@contextmanager
def _repeatable(history: History) -> Iterator[None]:
    """The lengths of pauses are drawn from the seed, and there are as many retries as in the setup."""
    state, most = random.getstate(), retries.MAX_RETRIES
    random.seed(history.seed)
    retries.MAX_RETRIES = history.setup.max_retries
    try:
        yield
    finally:
        retries.MAX_RETRIES = most
        random.setstate(state)
