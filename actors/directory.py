"""Which profile answers a call, and which actor is that profile at the moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace
from thespian.actors import ActorAddress

from trackd.actors.actor_pool import ActiveProfile, ActorPool
from trackd.actors.base import RETRY_AFTER_S, BaseActor, Handler
from trackd.actors.messages import (
    Admitted,
    Answer,
    Answered,
    CommitsFinished,
    Deliver,
    Erase,
    Erased,
    Evict,
    Fetch,
    Fetched,
    Reason,
    Refused,
    Tick,
)
from trackd.actors.pinned_lru import PinnedLRU
from trackd.actors.profile import ProfileActor
from trackd.core.changes import Outcome
from trackd.core.documents import Profile, Session
from trackd.core.resolution import Named, resolve

MAX_ATTEMPTS = 3


@dataclass(slots=True)
class Link:
    """A session's profile, stored or about to be."""

    profile_id: str
    in_flight: int = 0


class InFlight(Struct, frozen=True):
    """What is with its profile's actor, or waits for the disk. `link_was`: whose the session was before the call."""

    request: Admitted | Erase
    profile_id: str
    active: ActiveProfile
    link: Link | None = None
    previous_owner: str | None = None


class ProfileDirectory(BaseActor):
    """Links sessions to profiles, one call at a time; activates and passivates profile actors.

    What is decided but not on disk is in memory only, so a profile or a link with a call in flight stays.
    """

    def wired(self) -> None:
        self._active = ActorPool(self.wiring.dependencies.max_active_profiles, self._new_actor, self._evict)
        self._links: PinnedLRU[Link] = PinnedLRU(self.wiring.dependencies.max_cached_sessions)
        self._in_flight: dict[int, InFlight] = {}
        self._held_back: dict[str, list[Admitted | Erase]] = {}  # by profile that is being erased

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {
            Admitted: cls._deliver,
            Erase: cls._erase,
            Fetch: cls._fetch,
            CommitsFinished: cls._settle,
            Answered: cls._let_go,
            Tick: cls._count,
        }

    def _deliver(self, admitted: Admitted) -> None:
        call, source = admitted.call, admitted.source
        read: dict[str, Profile] = {}
        link, session = self._link(call.session_id, read)
        session_owner = self._named(link.profile_id, read) if link else None
        claimed = self._named(call.profile_id, read) if call.profile_id is not None else None
        if self._held_back and self._holds_back(admitted, session_owner, claimed):
            return
        answering = resolve(session_owner, claimed, permanent_profile_id=source.permanent_profile_id)
        profile_id = answering or self.wiring.dependencies.new_id()
        active = self._active.activate(profile_id, read.get(profile_id))
        previous_owner = link.profile_id if link else None
        if call.save_session:
            link = self._relink(call.session_id, link, profile_id)
            link.in_flight += 1
        else:
            link = None
        active.in_flight += 1
        self._in_flight[call.number] = InFlight(admitted, profile_id, active, link, previous_owner)
        orphan = session_owner is not None and session_owner.living is None
        first = active.take_first()
        self.send(
            active.address,
            Deliver(call, source, admitted.rules, active.durable_up_to, previous_owner, orphan, session, first),
        )

    def _holds_back(self, request: Admitted | Erase, *named: Named | None) -> bool:
        """Whoever comes to a profile that is being erased waits, until its end is on disk or did not come."""
        for one in named:
            if one is not None and one.living in self._held_back:
                self._held_back[one.living].append(request)
                return True
        return False

    def _erase(self, erase: Erase) -> None:
        read: dict[str, Profile] = {}
        named = self._named(erase.profile_id, read)
        if self._holds_back(erase, named):
            return
        profile_id = named.living
        if profile_id is None:
            self.answer(Erased(erase.number, None))
            return
        active = self._active.activate(profile_id, read.get(profile_id))
        active.in_flight += 1
        self._in_flight[erase.number] = InFlight(erase, profile_id, active)
        self._held_back[profile_id] = []
        if (first := active.take_first()) is not None:
            self.send(active.address, first)
        self.send(active.address, erase)

    def _fetch(self, fetch: Fetch) -> None:
        """An actor with nothing in flight has what is committed; else that is on disk only."""
        active = self._active.get(fetch.profile_id)
        if active is not None and active.in_flight == 0 and active.first is None:
            self.send(active.address, fetch)
        else:
            self.answer(Fetched(fetch.number, self.wiring.dependencies.reads.profile(fetch.profile_id)))

    def _count(self, _: Tick) -> None:
        tally = self.wiring.dependencies.tally
        tally.active_profiles, tally.cached_sessions = len(self._active), len(self._links)

    def _link(self, session_id: str, read: dict[str, Profile]) -> tuple[Link | None, Session | None]:
        """And the session, if it had to be read, with its profile: what a call needs that is not in memory."""
        link = self._links.get(session_id)
        if link is not None and link.profile_id in self._active:
            return link, None
        stored = self.wiring.dependencies.reads.session_and_profile(session_id)
        if stored is None:
            return link, None
        session, profile = stored
        if profile is not None:
            read[profile.id] = profile
        if link is None:
            link = self._add_link(session_id, session.profile_id)
        return link, session

    def _relink(self, session_id: str, link: Link | None, profile_id: str) -> Link:
        if link is None:
            return self._add_link(session_id, profile_id)
        link.profile_id = profile_id
        return link

    def _add_link(self, session_id: str, profile_id: str) -> Link:
        self._links.make_room()
        link = Link(profile_id)
        self._links.add(session_id, link)
        return link

    def _named(self, profile_id: str, read: dict[str, Profile]) -> Named:
        """What the id leads to. Profiles that had to be read for it are kept in `read`, by their own ids."""
        if profile_id in self._active or profile_id in read:
            return Named(profile_id, profile_id)
        profile = self.wiring.dependencies.reads.profile(profile_id)
        if profile is None:
            return Named(profile_id, None)
        read[profile.id] = profile
        return Named(profile_id, profile.id)

    def _new_actor(self) -> ActorAddress:
        address = self.createActor(ProfileActor)
        self.send(address, self.wiring)
        return address

    def _evict(self, address: ActorAddress) -> None:
        self.send(address, Evict())

    def _settle(self, durable_up_to: CommitsFinished) -> None:
        answers: list[Answer] = []
        undone: set[str] = set()  # sessions
        for commit, outcome in durable_up_to.commits:
            delivery = self._release(commit.number)
            if outcome is Outcome.STORED:
                delivery.active.durable_up_to = commit.ordinal
                answers.append(commit.answer)
                if isinstance(delivery.request, Erase):
                    self._forget_erased(delivery)
            else:
                self._forget(delivery, undone)
                attempt = delivery.request.attempt + 1
                if outcome is Outcome.FAILED:
                    answers.append(Refused(commit.number, Reason.STORE_FAILED, RETRY_AFTER_S))
                elif attempt > MAX_ATTEMPTS:
                    answers.append(Refused(commit.number, Reason.CONTENDED, RETRY_AFTER_S))
                else:
                    self.send(self.myAddress, replace(delivery.request, attempt=attempt))
            self._let_on(delivery)
        if undone:
            self._forget_links(undone)
        self.answer(*answers)

    def _let_go(self, answered: Answered) -> None:
        """A profile actor raised, or rejected them: nothing of these calls will be committed."""
        for answer in answered.answers:
            delivery = self._release(answer.number)
            if delivery.active.in_flight == 0:
                self._active.forget(delivery.profile_id, delivery.active)
            if delivery.link is not None and isinstance(delivery.request, Admitted):
                self._take_back(delivery.link, delivery.request.call.session_id, delivery.previous_owner)
            self._let_on(delivery)
        self.answer(*answered.answers)

    def _take_back(self, link: Link, session_id: str, previous_owner: str | None) -> None:
        if link.in_flight == 0:
            self._links.discard(session_id)
        elif previous_owner is not None:
            link.profile_id = previous_owner

    def _release(self, number: int) -> InFlight:
        delivery = self._in_flight.pop(number)
        delivery.active.in_flight -= 1
        if delivery.link is not None:
            delivery.link.in_flight -= 1
        return delivery

    def _forget(self, delivery: InFlight, sessions: set[str]) -> None:
        """What memory says of them is not true: read the profile and the session again when they are needed."""
        if isinstance(delivery.request, Erase):
            self._forget_erased(delivery)  # it may be on disk, though the writer says that it failed
        else:
            self._active.forget(delivery.profile_id, delivery.active)
            sessions.add(delivery.request.call.session_id)

    def _forget_erased(self, delivery: InFlight) -> None:
        self._active.forget(delivery.profile_id, delivery.active)
        self._links.discard_all(lambda link: link.profile_id == delivery.profile_id)

    def _let_on(self, delivery: InFlight) -> None:
        """The erasure has ended: who waited for it goes on, in the order of their coming."""
        if isinstance(delivery.request, Erase):
            for request in self._held_back.pop(delivery.profile_id):
                self.send(self.myAddress, request)

    def _forget_links(self, session_ids: set[str]) -> None:
        """Of a session with other calls in flight, the last of them says whose it will be."""
        will_be = {
            delivery.request.call.session_id: delivery.profile_id
            for delivery in self._in_flight.values()
            if delivery.link is not None and isinstance(delivery.request, Admitted)
        }
        for session_id in session_ids:
            link = self._links.get(session_id)
            if link is not None and link.in_flight:
                link.profile_id = will_be[session_id]
            else:
                self._links.discard(session_id)
