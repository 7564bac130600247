"""The actor of one profile. It applies the profile's calls one at a time, and sends the decisions to be committed."""

from collections.abc import Mapping, Sequence

from trackd.actors.base import BaseActor, Handler
from trackd.actors.damage import damage_of
from trackd.actors.messages import (
    Activate,
    Answered,
    Commit,
    Deliver,
    Erase,
    Erased,
    Fetch,
    Fetched,
    Reevaluate,
    Reevaluated,
    WriteRefusals,
)
from trackd.actors.uncommitted import Uncommitted
from trackd.core.calls import Answer, Rejected, Tracked
from trackd.core.changes import Changes, Erasure, Fence
from trackd.core.decision import decide
from trackd.core.documents import FirstCopy, Session
from trackd.core.encoding import size_of
from trackd.core.reevaluation import reevaluate
from trackd.core.snapshot import Snapshot
from trackd.core.work import LONG_CALL


class ProfileActor(BaseActor):
    """A shell around `decide`. It holds one profile after another."""

    def wired(self) -> None:
        self._activate(Activate())

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {
            Deliver: cls._deliver,
            Erase: cls._erase,
            Reevaluate: cls._reevaluate,
            Fetch: cls._fetch,
            Activate: cls._activate,
        }

    def _activate(self, message: Activate) -> None:
        self._profile_id = message.profile_id
        self._profile = message.stored
        self._ordinal = 0
        self._uncommitted = Uncommitted(is_new=message.stored is None)

    def answer(self, *answers: Answer) -> None:
        """The directory ends the requests before the answers leave."""
        self.send(self.wiring.directory, Answered(answers))

    def damage(self, message: object) -> str:
        return damage_of(self._profile, lambda: self._session(message) if isinstance(message, Deliver) else None)

    def _deliver(self, delivered: Deliver) -> None:
        if delivered.activation is not None:
            self._activate(delivered.activation)
        admitted, dependencies, profile = delivered.admitted, self.wiring.dependencies, self._profile
        call, memos, tally = admitted.call, dependencies.memos, dependencies.tally
        self._uncommitted.mark_durable(delivered.durable_up_to)
        own_ids = [event.id for event in call.events if event.own_id]
        known_ids = self._known_event_ids(own_ids) if own_ids and profile is not None else {}
        snapshot = Snapshot(
            self._profile_id,
            profile,
            self._session(delivered),
            known_ids,
            delivered.orphan,
            delivered.session_owner,
            memos.get(profile.memo) if profile else None,
            self._first_copies(known_ids) if known_ids else {},
        )
        began = dependencies.monotonic()
        decision = decide(
            snapshot, call, admitted.source, admitted.rules, dependencies.limits, dependencies.end_after_s
        )
        tally.decisions.observe(dependencies.monotonic() - began, call.source_id, len(call.events))
        if decision.work > LONG_CALL:
            tally.long_call, tally.long_call_work = call.number, min(decision.work, call.allowance.units)
        if isinstance(decision, Rejected):
            self.answer(decision)
            return
        self._profile = decision.profile
        if decision.memo is not None and decision.memo is not snapshot.memo:
            memos.put(decision.profile.memo, decision.memo)
        changes = decision.changes
        self._uncommitted.add(self._ordinal + 1, decision.session, changes.event_ids, changes.events)
        self._commit(call.number, changes, decision.answer)

    def _session(self, delivered: Deliver) -> Session | None:
        call = delivered.admitted.call
        if not call.save_session or delivered.session_owner is None:
            return None
        uncommitted = self._uncommitted.session(call.session_id)
        return uncommitted or delivered.session or self.wiring.dependencies.by_key.session(call.session_id)

    def _erase(self, erase: Erase) -> None:
        """Until the erasure ends, the directory sends nothing else."""
        profile = self._profile
        if profile is None:
            self.answer(erase.not_found)
            return
        fence = Fence(profile.id, profile.seq, profile.revision)
        refusals = self.wiring.dependencies.refusals
        refusals.note_erasure(profile.id, erase.erased)
        if change := refusals.change():  # the erasure clears those that are stored
            self.send(self.wiring.event_writer, WriteRefusals(change))
        self._commit(erase.number, Erasure(fence, erase.erased, erase.keep_events), Erased(erase.number, profile.id))

    def _reevaluate(self, request: Reevaluate) -> None:
        """The result passes through the writer also when nothing changes: it may depend on an uncommitted call."""
        dependencies, profile = self.wiring.dependencies, self._profile
        if profile is None:
            self.answer(request.not_found)
            return
        result = reevaluate(
            profile, request.rules, dependencies.limits, request.now, dependencies.memos.get(profile.memo)
        )
        self._profile = result.profile
        if result.memo is not None:
            dependencies.memos.put(result.profile.memo, result.memo)
        self._commit(request.number, result.changes, Reevaluated(request.number, profile.id, result.segment_changes))

    def _commit(self, number: int, change: Changes | Erasure, answer: Tracked | Erased | Reevaluated) -> None:
        self._ordinal += 1
        size, revision = (size_of(held.doc_json), held.revision) if (held := self._profile) else (0, 0)
        size += self._uncommitted.size
        self.send(self.wiring.event_writer, Commit(number, self._ordinal, change, answer, size, revision))

    def _fetch(self, fetch: Fetch) -> None:
        super().answer(Fetched(fetch.number, self._profile))

    def _known_event_ids(self, own: Sequence[str]) -> Mapping[str, int | None]:
        """The client-made event ids that the profile has processed before, each with its `seq`."""
        known = self._uncommitted.event_ids(own)
        unknown = self._uncommitted.perhaps_stored(event_id for event_id in own if event_id not in known)
        return self.wiring.dependencies.by_key.known_events(self._profile_id, unknown) | known if unknown else known

    def _first_copies(self, known_ids: Mapping[str, int | None]) -> Mapping[str, FirstCopy]:
        found = self._uncommitted.first_copies(known_ids)
        stored = [event_id for event_id, seq in known_ids.items() if seq is not None and event_id not in found]
        return self.wiring.dependencies.by_key.first_copies(self._profile_id, stored) | found if stored else found
