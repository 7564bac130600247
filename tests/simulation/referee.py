"""Holds what the nodes write and what they answer against the model.

The model takes a call at the moment when the store has written it, in the store's order; nobody looks into the nodes.
Which call a written change belongs to is told by its time: each call has one of its own.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.simulation.comparing import differences, says
from tests.simulation.disk import Contents
from tests.simulation.model import NEW, Effect, Model, Person
from tests.simulation.node import Node
from tests.simulation.steps import MERGED, ORPHAN
from tests.simulation.violation import Violation, check
from trackd.actors import messages
from trackd.actors.messages import Answer, Erased, Fetched, Reason, Refused
from trackd.core.calls import Request, Track, Tracked
from trackd.core.changes import Change, Changes, DeleteEvents, DeleteSessions, Erasure, Outcome
from trackd.core.documents import Session


@dataclass(slots=True)
class Asked:
    """What was asked, and what is known of it.

    `floors`: the highest number that was answered before, of each profile that lived then. `effect`: what the call did
    when it was written. `looked`: what it may be answered as one that wrote nothing. `could`: who could answer it when
    its node decided, before another node wrote. `excused`: it may be refused and be there all the same.
    """

    request: Request[Any]
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


class Referee:
    def __init__(self, nodes: int, stored: Contents) -> None:
        """`stored` is what is on the disk when the first node starts."""
        self._nodes = nodes
        self._model = Model()
        self._asked: dict[int, Asked] = {}
        self._waiting: dict[int, Asked] = {}
        self._by_time: dict[str, Asked] = {}
        self._answered_up_to: dict[int, int] = {}
        self._moves = [0] * nodes
        self._begin(stored)

    def _begin(self, stored: Contents) -> None:
        model = self._model
        for birth, (profile_id, profile) in enumerate(stored.profiles.items()):
            model.people[profile_id] = Person(-1 - birth, updated=profile.doc["metadata"]["time"]["update"])
        model.seats = {key: says(session) for key, session in stored.sessions.items()}
        model.merged |= MERGED
        model.ever |= {*model.people, *MERGED, model.seats[ORPHAN].profile_id}

    def ask(self, node: Node, request: Request[Any]) -> Asked:
        """The node is about to be asked this."""
        floors = dict(self._answered_up_to)
        asked = Asked(request, node.number, node.rules, node.failures, self._moves[node.number], floors)
        self._asked[request.number] = self._waiting[request.number] = asked
        if isinstance(request, Track):
            self._by_time[request.received] = asked
            self.decides(node)
        elif isinstance(request, messages.Erase):
            self._by_time[request.erased] = asked
        return asked

    @property
    def waiting(self) -> list[int]:
        return list(self._waiting)

    def crash(self, node: Node) -> None:
        """Whoever waits for the node gets no answer any more."""
        for asked in self._waiting.values():
            asked.lost |= asked.node == node.number
        self._waiting = {number: asked for number, asked in self._waiting.items() if asked.waits}

    def decides(self, node: Node) -> None:
        """What a node decides now is written later: another node may write in between what does not touch it."""
        if self._nodes > 1:
            for asked in self._waiting.values():
                if asked.node == node.number and isinstance(asked.request, Track):
                    asked.could |= self._could_answer(asked.request)

    def _could_answer(self, call: Track) -> set[str | None]:
        """What a node remembers of a session may be of before another node wrote. The fence guards what is written."""
        could = self._model.answering(call)
        if not call.save_session or call.session_id not in self._model.seats:
            could |= self._model.earlier.get(call.session_id, set())
        return could if call.save_session else {*could, NEW, call.profile_id, self._model.living(call.profile_id)}

    def move(self, by: int | None = None) -> None:
        """A call of any node but this one may be stale for it."""
        self._moves = [moves + (number != by) for number, moves in enumerate(self._moves)]

    def written(self, node: Node, change: Change, outcome: Outcome, *, excused: bool) -> None:
        match change:
            case Changes() if outcome is Outcome.STORED:
                self.move(by=node.number)
                self._call_written(node, change, excused=excused)
            case Erasure() if outcome is Outcome.STORED:
                self.move(by=node.number)
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
        self.move()
        old = [session_id for session_id, seat in self._model.seats.items() if seat.updated < step.before]
        for session_id in old:
            if node.store.session(session_id) is None:
                self._model.retire(session_id)

    def _call_written(self, node: Node, change: Changes, *, excused: bool) -> None:
        if change.profile is not None:
            asked = self._by_time[change.profile.doc["metadata"]["time"]["update"]]
        elif change.session is not None and change.writes_session:
            asked = self._who_came_to(change.session, node)
        else:
            self._looked(node, change)
            return
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
        if self._nodes > 1 and seat is not None and change.session is not None:
            updated = change.session.updated if change.writes_session else self._model.seats[call.session_id].updated
            # Calls of two nodes may be written in another order than they came; who writes last is right enough.
            asked.effect = asked.effect._replace(seat=seat._replace(updated=updated))
        self._model.apply(call, asked.effect)

    def _who_came_to(self, session: Session, node: Node) -> Asked:
        """The call that wrote the session's time, which is not before that of its beginning."""
        for asked in self._waiting.values():
            call = asked.request
            if (
                isinstance(call, Track)
                and (asked.node, call.session_id) == (node.number, session.id)
                and asked.effect is None
                and max(session.inserted, call.received) == session.updated
            ):
                return asked
        raise Violation(f"{session} is written, and nobody came to it then")

    def _looked(self, node: Node, change: Changes) -> None:
        """A call that writes nothing takes place where its empty change is."""
        for asked in self._waiting.values():
            call = asked.request
            if isinstance(call, Track) and asked.node == node.number and asked.effect is None:
                profile_id = change.fence.profile_id
                if self._model.may_answer(call, profile_id, asked.could):
                    effect = self._model.effect(call, profile_id, asked.rules, node.number)
                    # What is written of a session's time alone may rest on what the other node has just written over.
                    changes_nobody = self._nodes > 1 and effect.person is self._model.people.get(profile_id)
                    if not effect.writes or changes_nobody:
                        asked.looked.append(effect)

    def answered(self, node: Node, answer: Answer) -> None:
        asked = self._asked[answer.number]
        check(asked.answer is None, f"{answer.number} is answered twice")
        check(
            not asked.lost and asked.node == node.number, f"{answer.number} is answered by a node that does not know it"
        )
        asked.answer = answer
        del self._waiting[answer.number]
        match answer:
            case Tracked():
                self._tracked(asked, answer)
            case Refused():
                self._refused(node, asked, answer)
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

    def _refused(self, node: Node, asked: Asked, answer: Refused) -> None:
        number, done = answer.number, asked.effect or asked.erased
        check(done is None or asked.excused, f"{number} is refused, and is on disk: {done}")
        if answer.reason is Reason.STORE_FAILED:
            check(node.failures > asked.failures, f"{number} is refused, and nothing had failed")
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

    def compare(self, stored: Contents) -> None:
        found = differences(stored, self._model)
        check(not found, f"the store differs from the model: {found}")


def _to_say(call: Track, effect: Effect) -> tuple[object, ...]:
    shown = effect.person.says() if call.wants_profile else None
    return effect.profile_id, call.session_id, effect.listed, effect.profile_saved, effect.session_saved, shown
