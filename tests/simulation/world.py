"""Plays a history: real nodes on one side, the model on the other, and every answer held against it.

The model takes a call at the moment when the store has written it, in the store's order; nobody looks into the nodes.
Which call a written change belongs to is told by its time: each call has one of its own.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from tests.simulation.comparing import differences, says
from tests.simulation.disk import Disk, FileDisk, MemoryDisk
from tests.simulation.model import NEW, Effect, Model, Person
from tests.simulation.node import BEGAN, Node
from tests.simulation.steps import (
    MERGED,
    ORPHAN,
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
from trackd.actors.messages import Answer, Erased, Fetched, Reason, Refused, Track, Tracked, TrackedEvent
from trackd.storage.documents import Source, timestamp
from trackd.storage.store import (
    Change,
    Changes,
    DeleteEvents,
    DeleteSessions,
    Erasure,
    Outcome,
    PutSource,
    StoreError,
)
from trackd.storage.writer import BatchResult
from trackd.storage.writer import commit as commit_to

DELETED_AT_ONCE = 3  # rows of a step: few, so that deletions take many
COMPARED_EVERY = 25  # commits: the whole store against the whole model
MAX_DRAIN = 1_000  # batches, after which calls that still wait are taken to wait for ever


@dataclass(slots=True)
class Asked:
    """What was asked, and what is known of it.

    `floors`: the highest number that was answered before, of each profile that lived then. `effect`: what the call did
    when it was written. `looked`: what it may be answered as one that wrote nothing. `could`: who could answer it when
    its node decided, before another node wrote. `excused`: it may be refused and be there all the same.
    """

    request: messages.Request
    node: int
    rules: int
    failures: int
    moves: int
    floors: dict[int, int]
    answer: Answer | None = None
    lost: bool = False
    effect: Effect | None = None
    looked: list[Effect] = field(default_factory=list)
    could: set[str | None] = field(default_factory=set)
    erased: str | None = None
    excused: bool = False

    @property
    def waits(self) -> bool:
        return self.answer is None and not self.lost


class World:
    def __init__(self, history: History) -> None:
        self._stage = history.stage
        self._disk: Disk = FileDisk() if self._stage.in_file else MemoryDisk()
        self._ids = itertools.count(1)
        self._milliseconds = 0
        self._model = Model()
        self._asked: dict[int, Asked] = {}
        self._waiting: dict[int, Asked] = {}
        self._by_time: dict[str, Asked] = {}
        self._by_label: dict[int, Asked] = {}
        self._calls: dict[int, Call] = {}
        self._answered_up_to: dict[int, int] = {}
        self._moves = [0] * self._stage.nodes
        self._commits = 0
        self._begin()
        self._nodes = [self._start(number) for number in range(self._stage.nodes)]

    def _begin(self) -> None:
        """What is on the disk when the first node starts."""
        model = self._model
        stored = self._disk.contents()
        for birth, (profile_id, profile) in enumerate(stored.profiles.items()):
            model.people[profile_id] = Person(-1 - birth, updated=profile.doc["metadata"]["time"]["update"])
        model.seats = {key: says(session) for key, session in stored.sessions.items()}
        model.merged |= MERGED
        model.ever |= {*model.people, *MERGED, model.seats[ORPHAN].profile_id}

    def _start(self, number: int) -> Node:
        node = Node(number, self._disk.open(), self._stage, self, self._ids)
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
                erase = messages.Erase(step.label, profile_id, self._moment(), step.keep_events)
                self._by_time[erase.erased] = self._ask(node, erase)
            case Fetch():
                if (profile_id := self._named(step.whom)) is None:
                    return False
                self._ask(node, messages.Fetch(step.label, profile_id))
                check(not self._asked[step.label].waits, "a fetch is not answered")
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
        self._by_time[track.received] = self._by_label[label] = self._ask(node, track)

    def _event(self, event: Happening, made: str) -> TrackedEvent:
        return TrackedEvent(
            id=event.id or made,
            own_id=event.id is not None,
            type=event.type,
            created=timestamp(BEGAN),
            store=event.store,
        )

    def _ask(self, node: Node, request: messages.Request) -> Asked:
        assert node.wiring is not None
        asked = Asked(
            request, node.number, node.rules, node.failures, self._moves[node.number], dict(self._answered_up_to)
        )
        self._asked[request.number] = self._waiting[request.number] = asked
        match request:
            case Track():
                address = node.wiring.source_auth
                self._by_time[request.received] = asked
                self._note_who_could_answer(node)
            case messages.Administer():
                address = node.wiring.event_writer
            case _:
                address = node.wiring.directory
        node.tell(address, request)
        return asked

    def _note_who_could_answer(self, node: Node) -> None:
        """What a node decides now is written later: another node may write in between what does not touch it."""
        if self._stage.nodes > 1:
            for asked in self._waiting.values():
                if asked.node == node.number and isinstance(asked.request, Track):
                    asked.could |= self._could_answer(asked.request)

    def _could_answer(self, call: Track) -> set[str | None]:
        """What a node remembers of a session may be of before another node wrote. The fence guards what is written."""
        could = self._model.answering(call)
        if not call.save_session or call.session_id not in self._model.seats:
            could |= self._model.earlier.get(call.session_id, set()) & self._model.people.keys()
        return could if call.save_session else {*could, NEW}

    def _crash(self, node: Node, *, durable: bool) -> None:
        if durable and node.batches:
            self._write(node, node.batches[0])
        for asked in self._waiting.values():
            asked.lost |= asked.node == node.number
        self._waiting = {number: asked for number, asked in self._waiting.items() if asked.waits}
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
        self._note_who_could_answer(node)
        node.finish(result)
        self._commits += 1
        if self._commits % COMPARED_EVERY == 0:
            self.compare()

    def _write(self, node: Node, batch: Sequence[Change], *, excused: bool = False) -> BatchResult:
        result = commit_to(node.store, batch)
        check(result.error is None, f"the store failed: {result.error}")
        for change, outcome in zip(batch, result.outcomes, strict=True):
            self._written(node, change, outcome, excused=excused)
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
        self._moved()
        return outcomes

    def _moved(self, by: int | None = None) -> None:
        """A call of any node but this one may be stale for it."""
        self._moves = [moves + (number != by) for number, moves in enumerate(self._moves)]

    def _written(self, node: Node, change: Change, outcome: Outcome, *, excused: bool) -> None:
        match change:
            case Changes() if outcome is Outcome.STORED:
                self._moved(by=node.number)
                self._call_written(node, change, excused=excused)
            case Erasure() if outcome is Outcome.STORED:
                self._moved(by=node.number)
                asked, profile_id = self._by_time[change.erased], change.fence.profile_id
                check(asked.erased is None, f"{profile_id} is erased twice by one request")
                check(profile_id in self._model.people, f"{profile_id} is erased, and was not there")
                self._model.erase(profile_id, node.number, keep_events=change.keep_events)
                asked.erased, asked.excused = profile_id, excused
            case DeleteEvents():
                self._model.delete_events(change)
            case DeleteSessions():
                self._sessions_deleted(node, change)

    def _sessions_deleted(self, node: Node, step: DeleteSessions) -> None:
        """Which of the old ones a step comes to is the store's affair."""
        self._moved()
        old = [session_id for session_id, seat in self._model.seats.items() if seat.updated < step.before]
        for session_id in old:
            if node.store.session(session_id) is None:
                self._model.retire(session_id)

    def _call_written(self, node: Node, change: Changes, *, excused: bool) -> None:
        moment = change.profile.doc["metadata"]["time"]["update"] if change.profile else None
        if moment is None and change.session and change.writes_session:
            moment = change.session.updated
        if moment is None:
            self._looked(node, change)
            return
        asked = self._by_time[moment]
        call, profile_id = asked.request, change.fence.profile_id
        assert isinstance(call, Track)
        check(asked.effect is None, f"call {call.number} is written twice")
        check(
            self._model.may_answer(call, profile_id, asked.could),
            f"call {call.number} is of profile {profile_id}, and not of {self._model.answering(call)}",
        )
        asked.effect = self._model.effect(call, profile_id, asked.rules, node.number)
        asked.excused = excused
        seat = asked.effect.seat
        if self._stage.nodes > 1 and seat is not None and change.session is not None:
            updated = change.session.updated if change.writes_session else self._model.seats[call.session_id].updated
            # Calls of two nodes may be written in another order than they came; who writes last is right enough.
            asked.effect = asked.effect._replace(seat=seat._replace(updated=updated))
        self._model.apply(call, asked.effect)

    def _looked(self, node: Node, change: Changes) -> None:
        """A call that writes nothing takes place where its empty change is."""
        for asked in self._waiting.values():
            call = asked.request
            if isinstance(call, Track) and asked.node == node.number and asked.effect is None:
                profile_id = change.fence.profile_id
                if self._model.may_answer(call, profile_id, asked.could):
                    effect = self._model.effect(call, profile_id, asked.rules, node.number)
                    if not effect.writes:
                        asked.looked.append(effect)

    # Answers

    def answered(self, node: int, answer: Answer) -> None:
        asked = self._asked[answer.number]
        check(asked.answer is None, f"{answer.number} is answered twice")
        check(not asked.lost and asked.node == node, f"{answer.number} is answered by a node that does not know it")
        asked.answer = answer
        del self._waiting[answer.number]
        match answer:
            case Tracked():
                self._tracked(asked, answer)
            case Refused():
                self._refused(asked, answer)
            case Erased():
                self._erased(asked, answer)
            case Fetched():
                self._fetched(asked, answer)
            case messages.Administered():
                pass
            case _:
                raise Violation(f"nobody expects {answer}")

    def _tracked(self, asked: Asked, answer: Tracked) -> None:
        call = asked.request
        assert isinstance(call, Track)
        effects = asked.looked if asked.effect is None else [asked.effect]
        check(effects, f"call {call.number} is answered before it is on disk")
        told = [(event.id, event.seq, event.saved) for event in answer.events]
        shown = says(answer.profile) if answer.profile is not None else None
        said = (answer.profile_id, answer.session_id, told, answer.profile_saved, answer.session_saved, shown)
        fitting = [effect for effect in effects if said == _to_say(call, effect)]
        check(fitting, f"call {call.number} is answered {said}, and should be {_to_say(call, effects[-1])}")
        effect = fitting[-1]
        birth = effect.person.birth
        new = [seq for _, seq, saved in told if saved]
        if new:
            check(
                min(new) > asked.floors.get(birth, 0), f"call {call.number} has {new}, after {asked.floors.get(birth)}"
            )
            self._answered_up_to[birth] = max(self._answered_up_to.get(birth, 0), *new)

    def _refused(self, asked: Asked, answer: Refused) -> None:
        number, done = answer.number, asked.effect or asked.erased
        check(done is None or asked.excused, f"{number} is refused, and is on disk: {done}")
        if answer.reason is Reason.STORE_FAILED:
            failed = self._nodes[asked.node].failures
            check(failed > asked.failures, f"{number} is refused, and nothing had failed")
        else:
            check(answer.reason is Reason.CONTENDED, f"{number} is refused: {answer.reason}")
            check(self._moves[asked.node] > asked.moves, f"{number} is contended, and nobody contended it")

    def _erased(self, asked: Asked, answer: Erased) -> None:
        assert isinstance(asked.request, messages.Erase)
        if answer.profile_id is not None:
            check(asked.erased == answer.profile_id, f"{answer} is answered before it is on disk")
        else:
            living = self._model.living(asked.request.profile_id)
            check(living is None, f"{asked.request} finds nobody, and there is {living}")

    def _fetched(self, asked: Asked, answer: Fetched) -> None:
        """A node that others have outrun may still show what it knows."""
        assert isinstance(asked.request, messages.Fetch)
        profile_id = asked.request.profile_id
        living = self._model.living(profile_id)
        person = self._model.people[living] if living else None
        writer = person.writer if person else self._model.erased_by.get(profile_id, -1)
        if writer in (-1, asked.node):
            shown = says(answer.profile.doc) if answer.profile else None
            check(shown == (person and person.says()), f"{profile_id} is shown as {shown}, and is {person}")

    # The end

    def drain(self) -> None:
        """The disk is well again: whoever waits has to be answered."""
        for node in self._nodes:
            node.takes_batches, node.reads.fail = True, 0
            for _ in range(MAX_DRAIN):
                if not node.batches:
                    break
                self._commit(node, Commit(node.number))
        check(not self._waiting, f"nobody answers {list(self._waiting)}")
        self.compare()
        found = self._disk.faults()
        if self._stage.nodes > 1:  # a call may have come to one node before, and be written after another's erasure
            found = [fault for fault in found if not fault.startswith("erased:")]
        check(not found, f"the audit finds {found}")

    def compare(self) -> None:
        found = differences(self._disk.contents(), self._model)
        check(not found, f"the store differs from the model: {found}")


def _to_say(call: Track, effect: Effect) -> tuple[object, ...]:
    shown = effect.person.says() if call.wants_profile else None
    return effect.profile_id, call.session_id, effect.listed, effect.profile_saved, effect.session_saved, shown


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
