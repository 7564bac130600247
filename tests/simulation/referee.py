"""The referee: compares the writes and answers (answers.py) of the nodes with the model.

A call is applied to the model when the store has written it, in the order of the store. The state inside the nodes is
not used. A written change is matched to its call by time: each call has a time of its own.
"""

from collections.abc import Mapping
from typing import Any

from tests.simulation.answers import Answers
from tests.simulation.comparing import content, differences
from tests.simulation.contention import Contention
from tests.simulation.disk import Contents
from tests.simulation.model import NEW, Model, ModelProfile
from tests.simulation.model_feed import FeedFollower, Read
from tests.simulation.node import Node
from tests.simulation.observed import Observed
from tests.simulation.steps import MERGED, ORPHAN, Setup
from tests.simulation.violation import Violation, check
from trackd.actors import messages
from trackd.core.calls import Answer, Request, Track
from trackd.core.changes import Change, Changes, Erasure, Outcome
from trackd.core.documents import Session
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import DeleteEvents, DeleteSessions

LATE = -2  # in place of the node that wrote, for a commit whose outcome no node gets


class Referee:
    def __init__(self, setup: Setup, stored: Contents, *, keeps_ends: bool) -> None:
        """`stored` are the contents of the disk when the first node starts. `keeps_ends`: see `Disk`."""
        self._nodes = setup.nodes
        self._keeps_ends = keeps_ends
        self.contention = Contention(setup.nodes)
        self._model = Model(setup.end_after_s)
        self._follower = FeedFollower(self._model.feed)
        self._observed: dict[int, Observed] = {}
        self._waiting: dict[int, Observed] = {}
        self._by_time: dict[str, Observed] = {}
        self._answers = Answers(self._model, self.contention, looks_up=setup.looks_up)
        self._begin(stored)

    def _begin(self, stored: Contents) -> None:
        model = self._model
        for birth, (profile_id, profile) in enumerate(stored.profiles.items()):
            model.profiles[profile_id] = ModelProfile(-1 - birth, updated=profile.doc["metadata"]["time"]["update"])
        model.sessions = {key: content(session) for key, session in stored.sessions.items()}
        model.merged |= MERGED
        model.ids_ever |= {*model.profiles, *MERGED, model.sessions[ORPHAN].profile_id}

    def ask(self, node: Node, request: Request[Any]) -> Observed:
        """Called before the request is sent to the node."""
        min_seqs = dict(self._answers.answered_up_to)
        observed = Observed(
            request, node.number, node.rules, node.failures, self.contention.state(node.number), min_seqs
        )
        self._observed[request.number] = self._waiting[request.number] = observed
        if isinstance(request, Track):
            self._by_time[request.received] = observed
            self.note_decisions(node)
        elif isinstance(request, messages.Erase):
            self._by_time[request.erased] = observed
        elif isinstance(request, messages.Reevaluate):
            self._by_time[request.now] = observed
        if isinstance(request, messages.Erase | messages.Reevaluate | messages.Fetch):
            observed.states = [self._model.profile(request.profile_id)]
            observed.was_absent = observed.states == [None]
        return observed

    @property
    def waiting(self) -> list[int]:
        return list(self._waiting)

    def crash(self, node: Node) -> None:
        """Requests that wait for the node get no answer."""
        for observed in self._waiting.values():
            observed.lost |= observed.node == node.number
        self._waiting = {number: observed for number, observed in self._waiting.items() if observed.waits}

    def note_decisions(self, node: Node) -> None:
        """The node may decide now: note which profiles can answer, since another node may write before the commit."""
        if self.contention.is_shared:
            self._note_decisions(node.number)

    def _note_decisions(self, number: int) -> None:
        for observed in self._waiting.values():
            if observed.node == number and isinstance(observed.request, Track):
                observed.possible |= self._possible_owners(observed.request)

    def _possible_owners(self, call: Track) -> set[str | None]:
        """A node may have an owner in memory from before another node wrote. The fence guards only calls that write."""
        possible = self._model.answering(call)
        if not call.save_session or call.session_id not in self._model.sessions:
            possible |= self._model.earlier.get(call.session_id, set())
        if call.save_session:
            return possible
        claimed, derived = call.profile_id, call.derived_profile_id
        return {*possible, NEW, claimed, self._model.living(claimed), derived, self._model.living(derived)}

    def note_doubt(self, node: Node) -> None:
        """A batch may be written after its node has got an error."""
        self.contention.is_shared = True
        for number in range(self._nodes):
            self._note_decisions(number)

    def written(
        self, node: Node, change: Change, outcome: Outcome, *, may_be_refused: bool, is_late: bool = False
    ) -> None:
        """`is_late`: the node, or another one in its place, has got an error for the change before."""
        writer = LATE if is_late else node.number
        if isinstance(change, Changes | Erasure) and outcome is Outcome.STORED:
            self.contention.note_write(by=writer)
        match change:
            case Changes() if outcome is Outcome.STALE:
                self.contention.note_claim()
            case Changes() if outcome is Outcome.STORED and change.reevaluated is not None:
                self._reevaluation_written(writer, change, may_be_refused=may_be_refused)
            case Changes() if outcome is Outcome.STORED:
                self._call_written(node, writer, change, may_be_refused=may_be_refused)
            case Erasure() if outcome is Outcome.STORED:
                observed, profile_id = self._by_time[change.erased], change.fence.profile_id
                check(observed.erased is None, f"{profile_id} is erased twice by one request")
                check(profile_id in self._model.profiles, f"{profile_id} is erased, and did not exist")
                self._model.erase(profile_id, writer, keep_events=change.keep_events)
                observed.erased, observed.may_be_refused = profile_id, may_be_refused
                for waiting in self._waiting.values():
                    waiting.was_absent |= self._is_for(waiting.request, profile_id)
            case PutRefusals() if outcome is Outcome.STORED:
                self._model.feed.put_refusals(change)
            case DeleteEvents():
                self._events_deleted(node, change, outcome)
            case DeleteSessions():
                self._sessions_deleted(node, change)
        for waiting in self._waiting.values():
            if isinstance(waiting.request, messages.Fetch):
                state = self._model.profile(waiting.request.profile_id)
                if state is not waiting.states[-1]:
                    waiting.states.append(state)
        if isinstance(change, DeleteEvents | DeleteSessions) and outcome is Outcome.DONE:
            self._model.feed.delete_refusals(change.before)

    def _is_for(self, request: Request[Any], profile_id: str) -> bool:
        named = request.profile_id if isinstance(request, messages.Erase | messages.Reevaluate) else None
        return named is not None and self._model.living(named) in (None, profile_id)

    def _events_deleted(self, node: Node, step: DeleteEvents, outcome: Outcome) -> None:
        undecided = [observed for observed in self._observed.values() if observed.effect is None]
        deleted = self._model.delete_events(step, node.claimant if self._keeps_ends else None)
        for event in deleted:
            for observed in undecided:
                observed.deleted.setdefault(event.profile_id, {})[event.id] = event.seq
        expected = len(deleted), Outcome.STORED if len(deleted) == step.limit else Outcome.DONE
        reported = node.store.swept and node.store.swept.deleted, outcome
        check(reported == expected, f"{step} deletes {deleted}: {expected}, and not {reported}")

    def _sessions_deleted(self, node: Node, step: DeleteSessions) -> None:
        """The store decides which of the old sessions a step reaches."""
        self.contention.note_write()
        old = [session_id for session_id, session in self._model.sessions.items() if session.updated < step.before]
        for session_id in old:
            if node.store.session(session_id) is None:
                self._model.retire(session_id)

    def _call_written(self, node: Node, writer: int, change: Changes, *, may_be_refused: bool) -> None:
        if change.profile is not None:
            observed = self._by_time[change.profile.doc["metadata"]["time"]["update"]]
        elif change.session is not None and change.writes_session:
            observed = self._call_of_session(change.session, node, self._observed if writer == LATE else self._waiting)
        else:
            self._empty_change_written(node, change)
            return
        call, profile_id = observed.request, change.fence.profile_id
        assert isinstance(call, Track)
        check(observed.effect is None, f"call {call.number} is written twice")
        check(not self._answers.rejects(observed), f"call {call.number} takes too much work, and is written")
        check(
            self._model.may_answer(call, profile_id, observed.possible),
            f"call {call.number} is of profile {profile_id}, and not of {self._model.answering(call)}",
        )
        new_ids = change.event_ids or {}
        deleted = {key: seq for key, seq in observed.deleted.get(profile_id, {}).items() if key not in new_ids}
        observed.effect = self._model.effect(call, profile_id, observed.rules, writer, deleted)
        observed.may_be_refused = may_be_refused
        session = observed.effect.session
        if (self.contention.is_shared or node.failed_commits) and session is not None and change.session is not None:
            updated = change.session.updated if change.writes_session else self._model.sessions[call.session_id].updated
            # Calls of two nodes, or around a failed commit, may not know the time of each other: the last write wins.
            observed.effect = observed.effect._replace(session=session._replace(updated=updated))
        self._model.apply(call, observed.effect)

    def _reevaluation_written(self, writer: int, change: Changes, *, may_be_refused: bool) -> None:
        observed, profile_id = self._by_time[change.reevaluated or ""], change.fence.profile_id
        check(observed.segments is None, f"{observed.request} is written twice")
        check(change.events == () and change.profile is not None, f"{observed.request} writes {change}")
        before = self._model.profiles[profile_id]
        after = self._model.reevaluated(profile_id, observed.rules, writer)
        check(after is not before, f"{observed.request} is written, and changes nothing")
        self._model.profiles[profile_id] = after
        observed.segments = (after.segments - before.segments, before.segments - after.segments)
        observed.may_be_refused = may_be_refused

    def _call_of_session(self, session: Session, node: Node, among: Mapping[int, Observed]) -> Observed:
        """The call that wrote the session: its time is that of the session, or the session began later."""
        for observed in among.values():
            call = observed.request
            if (
                isinstance(call, Track)
                and (observed.node, call.session_id) == (node.number, session.id)
                and observed.effect is None
                and max(session.inserted, call.received) == session.updated
            ):
                return observed
        raise Violation(f"{session} is written, and no call has its time")

    def _empty_change_written(self, node: Node, change: Changes) -> None:
        """A call that writes nothing takes effect where its empty change is in the order of commits."""
        profile_id = change.fence.profile_id
        for observed in self._waiting.values():
            call = observed.request
            if isinstance(call, messages.Reevaluate) and self._model.living(call.profile_id) == profile_id:
                profile = self._model.profiles[profile_id]
                observed.unchanged |= self._model.reevaluated(profile_id, observed.rules, node.number) is profile
            if not isinstance(call, Track) or observed.node != node.number or observed.effect is not None:
                continue
            if self._model.may_answer(call, profile_id, observed.possible):
                deleted = observed.deleted.get(profile_id)
                effect = self._model.effect(call, profile_id, observed.rules, node.number, deleted)
                # A change of a session's time alone may be needless after a write of the other node.
                changes_no_profile = self.contention.is_shared and effect.profile is self._model.profiles.get(
                    profile_id
                )
                if not effect.writes or changes_no_profile:
                    observed.empty_effects.append(effect)

    def answered(self, node: Node, answer: Answer) -> None:
        observed = self._observed[answer.number]
        check(observed.answer is None, f"{answer.number} is answered twice")
        was_asked = not observed.lost and observed.node == node.number
        check(was_asked, f"{answer.number} is answered by a node that was not asked")
        observed.answer = answer
        del self._waiting[answer.number]
        self._answers.check(node, observed, answer)

    def compare(self, stored: Contents, read_feed: Read) -> None:
        found = differences(stored, self._model) or self._follower.faults(read_feed)
        check(not found, f"the store differs from the model: {found}")
