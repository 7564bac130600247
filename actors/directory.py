"""Which profile answers a call, and which actor holds that profile.

A call is in flight from the moment when it is handed to its profile's actor until its commit has ended. Its states,
and the methods of the transitions:

                       _queue_behind_erasure
       Admitted ──────────────────────────────▶ queued
          │                                       │ _replay_queued, when the erasure has ended
          │ _hand_over                            │
          ▼                 (the same as Admitted)│
     handed over ◀────────────────────────────────┘
          │       │
          │       │ _abort: the actor raised, rejected the call, or needs a lookup
          │       └──────────────────────────────▶ aborted       answered: Failed, Refused or Rejected;
          │                                                      or handed over again after it (loader.py)
          │ the actor sends Commit
          ▼
     uncommitted ── _finish ─▶ durable            answered: Tracked
                          ├──▶ stale, roll back   handed over again; in the end refused
                          └──▶ failed, roll back  answered: Refused

An erasure and a re-evaluation have the same states (`_hand_over_other`). From the handover of an erasure to its end all
requests for its profile are queued. A profile, and the owner of a session, stays pinned in memory while something of it
is in flight, because its state is not on disk yet. A call for a profile with large documents waits before its handover
while many bytes are in flight (in_flight.py).
"""

from collections.abc import Mapping
from typing import Any

from thespian.actors import ActorAddress

from trackd.actors.actor_pool import ActorPool
from trackd.actors.base import BaseActor, Handler
from trackd.actors.document_budget import DocumentBudget
from trackd.actors.in_flight import InFlight, RequestsInFlight, Resume, with_full_allowance
from trackd.actors.look_up import LookUp
from trackd.actors.messages import (
    Activate,
    Admitted,
    Answered,
    CommitsFinished,
    Deliver,
    Erase,
    Fetch,
    Fetched,
    Reevaluate,
    Tick,
    Unloaded,
)
from trackd.actors.profile import ProfileActor
from trackd.actors.retries import Retries
from trackd.actors.session_owners import SessionOwners
from trackd.core.calls import Answer, Track
from trackd.core.changes import Outcome
from trackd.core.documents import Profile
from trackd.storage.lookups import Wanted


class ProfileDirectory(BaseActor):
    """Resolves each call to a profile, one call at a time; activates and evicts profiles."""

    def wired(self) -> None:
        dependencies = self.wiring.dependencies
        self._pool = ActorPool(dependencies.max_active_profiles, self._new_actor, self._evict)
        self._owners = SessionOwners(dependencies.max_cached_sessions)
        self._documents = DocumentBudget(dependencies.max_document_bytes, self._pool, self._owners)
        self._look_up = LookUp(dependencies.by_key, self._pool, self._owners)
        self._in_flight = RequestsInFlight(dependencies.limits.max_queued_bytes // 2, dependencies.tally)
        self._retries = Retries(
            lambda request: self.send(self.myAddress, request),
            dependencies.frontend.tick_soon,
            dependencies.tally.stale_commits,
        )
        self._queued: dict[str, list[Admitted | Erase | Reevaluate]] = {}  # by id of a profile that is being erased

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {
            Admitted: cls._hand_over,
            Erase: cls._hand_over_other,
            Reevaluate: cls._hand_over_other,
            Fetch: cls._fetch,
            CommitsFinished: cls._finish,
            Answered: cls._abort,
            Resume: cls._resume,
            Tick: cls._tick,
        }

    def _hand_over(self, admitted: Admitted) -> None:
        call, in_flight = admitted.call, self._in_flight
        found = self._look_up.answering(call, admitted.source)
        if self._queued and self._queue_behind_erasure(admitted, found.profile_id, *found.others):
            return
        if self._retries.waits(admitted, found.profile_id):
            return
        profile_id, owner = found.profile_id or self._new_profile_id(call), found.owner
        active = self._pool.get(profile_id)
        if in_flight.must_wait(admitted, found.size if active is None else active.size):
            return
        if active is None:
            active = self._pool.activate(profile_id, found.stored, found.size)
        if call.save_session and (owner is None or owner.profile_id != profile_id):
            owner = self._owners.assign(call.session_id, profile_id, owner)
        kept, previous = owner if call.save_session else None, found.previous_owner
        in_flight.add(call.number, InFlight(admitted, profile_id, active, active.size, kept, previous))
        activation, active.activation = active.activation, None
        session, orphan, durable_up_to = found.session, found.is_orphan, active.durable_up_to
        self.send(active.address, Deliver(admitted, durable_up_to, previous, orphan, session, activation))
        if in_flight.waiting:
            self.send(self.myAddress, Resume())  # after the decision on this call

    def _hand_over_other(self, request: Erase | Reevaluate) -> None:
        loaded: dict[str, Profile] = {}
        profile_id = self._look_up.profile(request.profile_id, loaded).living
        if self._queue_behind_erasure(request, profile_id):
            return
        if profile_id is None:
            self.answer(request.not_found)
            return
        stored = loaded.get(profile_id)
        active = self._pool.get(profile_id) or self._pool.activate(profile_id, stored, stored.size if stored else 0)
        activation, active.activation = active.activation, None
        passes = activation is not None and isinstance(request, Reevaluate)
        self._in_flight.add(request.number, InFlight(request, profile_id, active, active.size, passes=passes))
        if isinstance(request, Erase):
            self._queued[profile_id] = []
        if activation is not None:
            self.send(active.address, activation)
        self.send(active.address, request)

    def _queue_behind_erasure(self, request: Admitted | Erase | Reevaluate, *profile_ids: str | None) -> bool:
        """Whether one of the profiles is being erased; the request is then queued until the erasure has ended."""
        for profile_id in profile_ids:
            if profile_id in self._queued:
                self._queued[profile_id].append(with_full_allowance(request))
                return True
        return False

    def _replay_queued(self, profile_id: str) -> None:
        """Process the requests that were queued behind the profile's erasure, in the order of arrival."""
        for request in self._queued.pop(profile_id):
            self.send(self.myAddress, request)

    def _finish(self, finished: CommitsFinished) -> None:
        answers: list[Answer] = []
        lost_sessions: set[str] = set()  # ids of sessions with a commit that was not stored
        for commit, outcome in finished.commits:
            entry = self._in_flight.remove(commit.number)
            request, active = entry.request, entry.active_profile
            if outcome is Outcome.STORED:
                active.durable_up_to, active.revision = commit.ordinal, commit.revision
                if active.size != commit.held:
                    self._pool.resize(entry.profile_id, active, commit.held)
                answers.append(commit.answer)
                if isinstance(request, Admitted):
                    continue
                self._evict_passed(entry)
            else:
                self._roll_back(entry, lost_sessions)
                answers += self._retries.retry_or_refuse(entry.request, outcome, entry.profile_id)
            if isinstance(request, Erase):
                self._replay_queued(entry.profile_id)
        if lost_sessions:
            self._owners.roll_back(lost_sessions, self._in_flight.owners())
        self._documents.enforce()
        self._resume()
        self.answer(*answers)

    def _abort(self, answered: Answered) -> None:
        """A profile's actor raised on these calls, rejected them or needs a lookup: it commits nothing of them."""
        for answer in answered.answers:
            entry = self._in_flight.remove(answer.number)
            if entry.active_profile.in_flight == 0:
                self._pool.forget(entry.profile_id, entry.active_profile)
            if entry.owner is not None and isinstance(entry.request, Admitted):
                self._owners.restore(entry.request.call.session_id, entry.owner, entry.previous_owner)
            if isinstance(entry.request, Erase):
                self._replay_queued(entry.profile_id)
            if isinstance(answer, Unloaded):
                self.not_loaded(entry.request, answer.wanted)
            else:
                self.answer(answer)
        self.send(self.myAddress, Resume())

    def not_loaded(self, message: Any, wanted: Wanted) -> None:
        self.wiring.dependencies.load(self.myAddress, with_full_allowance(message), wanted)

    def _resume(self, message: Resume | None = None) -> None:
        """Hand over the next call for a large profile that waits, unless it has to wait on."""
        if admitted := self._in_flight.resumed(others_passed=message is None):
            self.send(self.myAddress, admitted)

    def handle_fault(self, message: Any, error: Exception) -> None:
        super().handle_fault(message, error)
        if isinstance(message, Admitted):
            self.send(self.myAddress, Resume())  # the next one that waits has its turn

    def _roll_back(self, entry: InFlight, lost_sessions: set[str]) -> None:
        """The actor decided on a state that is not stored: the next call reads the profile and its session again."""
        if isinstance(entry.request, Erase):
            self._evict_erased(entry)  # a writer that failed may have stored it all the same
        else:
            self._pool.forget(entry.profile_id, entry.active_profile)
        if isinstance(entry.request, Admitted):
            lost_sessions.add(entry.request.call.session_id)

    def _evict_passed(self, entry: InFlight) -> None:
        """Evict a profile that was erased, or that was activated for a re-evaluation alone."""
        if isinstance(entry.request, Erase):
            self._evict_erased(entry)
        elif entry.passes and entry.active_profile.in_flight == 0:
            self._pool.forget(entry.profile_id, entry.active_profile)

    def _evict_erased(self, entry: InFlight) -> None:
        self._pool.forget(entry.profile_id, entry.active_profile)
        self._owners.evict_profile(entry.profile_id)

    def _new_profile_id(self, call: Track) -> str:
        dependencies, derived_id = self.wiring.dependencies, call.derived_profile_id
        if derived_id is None or dependencies.by_key.is_erased(derived_id):
            return dependencies.new_id()
        return derived_id

    def _fetch(self, fetch: Fetch) -> None:
        """An actor with nothing in flight holds the committed profile, unless other nodes write to the store too."""
        is_shared, active = self.wiring.dependencies.is_shared, self._pool.get(fetch.profile_id)
        if active is None or active.in_flight or active.activation is not None or is_shared:
            self.answer(Fetched(fetch.number, self._look_up.stored(fetch.profile_id)))
        else:
            self.send(active.address, fetch)

    def _new_actor(self) -> ActorAddress:
        address = self.createActor(ProfileActor)
        self.send(address, self.wiring)
        return address

    def _evict(self, address: ActorAddress) -> None:
        self.send(address, Activate())

    def _tick(self, _: Tick) -> None:
        tally = self.wiring.dependencies.tally
        tally.active_profiles, tally.cached_sessions = len(self._pool), len(self._owners)
        tally.document_bytes = self._documents.bytes
        self._retries.tick()
        self._resume()
