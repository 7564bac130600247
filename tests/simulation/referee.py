"""The referee: compares the writes and answers of the nodes with the model.

A call is applied to the model when the store has written it, in the order of the store. The state inside the nodes is
not used. A written change is matched to its call by time: each call has a time of its own.
"""

from typing import Any

from tests.simulation.comparing import content, differences
from tests.simulation.disk import Contents
from tests.simulation.model import NEW, Effect, Model, ModelProfile
from tests.simulation.model_feed import FeedFollower, Read
from tests.simulation.node import Node
from tests.simulation.observed import Observed
from tests.simulation.steps import MERGED, ORPHAN
from tests.simulation.violation import Violation, check
from trackd.actors import messages
from trackd.actors.messages import Erased, Fetched, Reason, Refused
from trackd.core.calls import Answer, Rejected, Request, Track, Tracked
from trackd.core.changes import Change, Changes, Erasure, Outcome
from trackd.core.documents import Session
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import DeleteEvents, DeleteSessions


class Referee:
    def __init__(self, nodes: int, stored: Contents, end_after_s: int) -> None:
        """`stored` are the contents of the disk when the first node starts."""
        self._nodes = nodes
        self._model = Model(end_after_s)
        self._follower = FeedFollower(self._model.feed)
        self._observed: dict[int, Observed] = {}
        self._waiting: dict[int, Observed] = {}
        self._by_time: dict[str, Observed] = {}
        self._answered_up_to: dict[int, int] = {}
        self._foreign_writes = [0] * nodes
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
        min_seqs = dict(self._answered_up_to)
        foreign_writes = self._foreign_writes[node.number]
        observed = Observed(request, node.number, node.rules, node.failures, foreign_writes, min_seqs)
        self._observed[request.number] = self._waiting[request.number] = observed
        if isinstance(request, Track):
            self._by_time[request.received] = observed
            self.note_decisions(node)
        elif isinstance(request, messages.Erase):
            self._by_time[request.erased] = observed
        elif isinstance(request, messages.Reevaluate):
            self._by_time[request.now] = observed
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
        if self._nodes > 1:
            for observed in self._waiting.values():
                if observed.node == node.number and isinstance(observed.request, Track):
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

    def note_foreign_write(self, by: int | None = None) -> None:
        """A write of node `by` can make calls of all other nodes stale; without `by` calls of all nodes."""
        self._foreign_writes = [count + (number != by) for number, count in enumerate(self._foreign_writes)]

    def written(self, node: Node, change: Change, outcome: Outcome, *, may_be_refused: bool) -> None:
        match change:
            case Changes() if outcome is Outcome.STORED and change.reevaluated is not None:
                self.note_foreign_write(by=node.number)
                self._reevaluation_written(node, change, may_be_refused=may_be_refused)
            case Changes() if outcome is Outcome.STORED:
                self.note_foreign_write(by=node.number)
                self._call_written(node, change, may_be_refused=may_be_refused)
            case Erasure() if outcome is Outcome.STORED:
                self.note_foreign_write(by=node.number)
                observed, profile_id = self._by_time[change.erased], change.fence.profile_id
                check(observed.erased is None, f"{profile_id} is erased twice by one request")
                check(profile_id in self._model.profiles, f"{profile_id} is erased, and did not exist")
                self._model.erase(profile_id, node.number, keep_events=change.keep_events)
                observed.erased, observed.may_be_refused = profile_id, may_be_refused
            case PutRefusals() if outcome is Outcome.STORED:
                self._model.feed.put_refusals(change)
            case DeleteEvents():
                for event in self._model.delete_events(change):
                    for observed in self._waiting.values():
                        observed.deleted.setdefault(event.profile_id, {})[event.id] = event.seq
            case DeleteSessions():
                self._sessions_deleted(node, change)
        if isinstance(change, DeleteEvents | DeleteSessions) and outcome is Outcome.DONE:
            self._model.feed.delete_refusals(change.before)

    def _sessions_deleted(self, node: Node, step: DeleteSessions) -> None:
        """The store decides which of the old sessions a step reaches."""
        self.note_foreign_write()
        old = [session_id for session_id, session in self._model.sessions.items() if session.updated < step.before]
        for session_id in old:
            if node.store.session(session_id) is None:
                self._model.retire(session_id)

    def _call_written(self, node: Node, change: Changes, *, may_be_refused: bool) -> None:
        if change.profile is not None:
            observed = self._by_time[change.profile.doc["metadata"]["time"]["update"]]
        elif change.session is not None and change.writes_session:
            observed = self._call_of_session(change.session, node)
        else:
            self._empty_change_written(node, change)
            return
        call, profile_id = observed.request, change.fence.profile_id
        assert isinstance(call, Track)
        check(observed.effect is None, f"call {call.number} is written twice")
        check(not self._rejects(observed), f"call {call.number} takes too much work, and is written")
        check(
            self._model.may_answer(call, profile_id, observed.possible),
            f"call {call.number} is of profile {profile_id}, and not of {self._model.answering(call)}",
        )
        new_ids = change.event_ids or {}
        deleted = {key: seq for key, seq in observed.deleted.get(profile_id, {}).items() if key not in new_ids}
        observed.effect = self._model.effect(call, profile_id, observed.rules, node.number, deleted)
        observed.may_be_refused = may_be_refused
        session = observed.effect.session
        if (self._nodes > 1 or node.failed_commits) and session is not None and change.session is not None:
            updated = change.session.updated if change.writes_session else self._model.sessions[call.session_id].updated
            # Calls of two nodes, or around a failed commit, may not know the time of each other: the last write wins.
            observed.effect = observed.effect._replace(session=session._replace(updated=updated))
        self._model.apply(call, observed.effect)

    def _reevaluation_written(self, node: Node, change: Changes, *, may_be_refused: bool) -> None:
        observed, profile_id = self._by_time[change.reevaluated or ""], change.fence.profile_id
        check(observed.segments is None, f"{observed.request} is written twice")
        check(change.events == () and change.profile is not None, f"{observed.request} writes {change}")
        before = self._model.profiles[profile_id]
        after = self._model.reevaluated(profile_id, observed.rules, node.number)
        check(after is not before, f"{observed.request} is written, and changes nothing")
        self._model.profiles[profile_id] = after
        observed.segments = (after.segments - before.segments, before.segments - after.segments)
        observed.may_be_refused = may_be_refused

    def _call_of_session(self, session: Session, node: Node) -> Observed:
        """The call that wrote the session: its time is that of the session, or the session began later."""
        for observed in self._waiting.values():
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
                changes_no_profile = self._nodes > 1 and effect.profile is self._model.profiles.get(profile_id)
                if not effect.writes or changes_no_profile:
                    observed.empty_effects.append(effect)

    def answered(self, node: Node, answer: Answer) -> None:
        observed = self._observed[answer.number]
        check(observed.answer is None, f"{answer.number} is answered twice")
        was_asked = not observed.lost and observed.node == node.number
        check(was_asked, f"{answer.number} is answered by a node that was not asked")
        observed.answer = answer
        del self._waiting[answer.number]
        match answer:
            case Tracked():
                self._tracked(observed, answer)
            case Rejected():
                check(observed.effect is None, f"{answer} is on disk: {observed.effect}")
                check(self._rejects(observed), f"{answer} is an answer to {observed.request}")
            case Refused():
                self._refused(node, observed, answer)
            case Erased():
                self._erased(observed, answer)
            case messages.Reevaluated():
                self._reevaluated(observed, answer)
            case Fetched():
                self._fetched(observed, answer)
            case messages.Administered():
                pass
            case _:
                raise Violation(f"unexpected answer {answer}")

    def _tracked(self, observed: Observed, answer: Tracked) -> None:
        call = observed.request
        assert isinstance(call, Track)
        check(not self._rejects(observed), f"call {call.number} takes too much work, and is answered {answer}")
        effects = observed.empty_effects if observed.effect is None else [observed.effect]
        check(effects, f"call {call.number} is answered before it is on disk")
        listed = [(event.id, event.seq, event.saved) for event in answer.events]
        shown = content(answer.profile) if answer.profile is not None else None
        logs = [entry.message for entry in answer.report.logs if entry.message.startswith("duplicate")]
        content_of_answer = (
            answer.profile_id, answer.session_id, listed, logs, answer.profile_saved, answer.session_saved, shown
        )  # fmt: skip
        fitting = [effect for effect in effects if content_of_answer == _expected_answer(call, effect)]
        expected = _expected_answer(call, effects[-1])
        check(fitting, f"call {call.number} is answered {content_of_answer}, and should be {expected}")
        effect = fitting[-1]
        birth = effect.profile.birth
        new = [seq for _, seq, saved in listed if saved]
        if new:
            highest = observed.min_seqs.get(birth, 0)
            check(min(new) > highest, f"call {call.number} has {new}, after {highest}")
            self._answered_up_to[birth] = max(self._answered_up_to.get(birth, 0), *new)

    def _rejects(self, observed: Observed) -> bool:
        return isinstance(observed.request, Track) and self._model.rejects(observed.request, observed.rules)

    def _refused(self, node: Node, observed: Observed, answer: Refused) -> None:
        number, done = answer.number, observed.effect or observed.erased or observed.segments
        check(done is None or observed.may_be_refused, f"{number} is refused, and is on disk: {done}")
        if answer.reason is Reason.STORE_FAILED:
            check(node.failures > observed.failures, f"{number} is refused, and the store had not failed")
        else:
            check(answer.reason is Reason.CONTENDED, f"{number} is refused: {answer.reason}")
            contended = self._foreign_writes[observed.node] > observed.foreign_writes
            check(contended, f"{number} is refused as contended, and no other write contended with it")

    def _erased(self, observed: Observed, answer: Erased) -> None:
        assert isinstance(observed.request, messages.Erase)
        if answer.profile_id is not None:
            check(observed.erased == answer.profile_id, f"{answer} is answered before it is on disk")
        else:
            living = self._model.living(observed.request.profile_id)
            check(living is None, f"{observed.request} finds no profile, and {living} exists")

    def _reevaluated(self, observed: Observed, answer: messages.Reevaluated) -> None:
        request = observed.request
        assert isinstance(request, messages.Reevaluate)
        if answer.profile_id is None:
            living = self._model.living(request.profile_id)
            check(living is None, f"{request} finds no profile, and {living} exists")
            return
        changes = answer.segment_changes
        entered = frozenset(change.segment for change in changes if change.entered)
        left = frozenset(change.segment for change in changes if not change.entered)
        if changes:
            check(observed.segments == (entered, left), f"{answer} is answered, and {observed.segments} is written")
        else:
            check(observed.unchanged, f"{answer} is answered, and the segments are others")

    def _fetched(self, observed: Observed, answer: Fetched) -> None:
        """A node may show an old profile after another node wrote it."""
        assert isinstance(observed.request, messages.Fetch)
        profile_id = observed.request.profile_id
        living = self._model.living(profile_id)
        profile = self._model.profiles[living] if living else None
        writer = profile.writer if profile else self._model.erased_by.get(profile_id, -1)
        if writer in (-1, observed.node):
            shown = content(answer.profile.doc) if answer.profile else None
            check(shown == (profile and profile.content()), f"{profile_id} is shown as {shown}, and is {profile}")

    def compare(self, stored: Contents, read_feed: Read) -> None:
        found = differences(stored, self._model) or self._follower.faults(read_feed)
        check(not found, f"the store differs from the model: {found}")


def _expected_answer(call: Track, effect: Effect) -> tuple[object, ...]:
    shown = effect.profile.content() if call.profile_requested else None
    saved = effect.profile_saved, effect.session_saved
    return effect.profile_id, call.session_id, effect.listed, effect.duplicates, *saved, shown
