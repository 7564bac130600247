"""Which profile answers a call, and which actor is that profile at the moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace
from thespian.actors import ActorAddress

from trackd.actors.guarded import RETRY_AFTER_S, GuardedActor, Handler
from trackd.actors.in_use import InUseMap
from trackd.actors.messages import (
    Activate,
    Admitted,
    Answer,
    Answered,
    Deliver,
    Passivate,
    Reason,
    Refused,
    Settled,
)
from trackd.actors.profile import ProfileActor
from trackd.actors.resolution import Named, resolve
from trackd.storage.documents import Profile
from trackd.storage.store import Outcome

MAX_ATTEMPTS = 3


@dataclass(slots=True)
class Active:
    """A profile that has an actor. `settled` is the ordinal of its last commit that is on disk."""

    address: ActorAddress
    in_flight: int = 0
    settled: int = 0


@dataclass(slots=True)
class Link:
    """A session's profile, stored or about to be."""

    profile_id: str
    in_flight: int = 0


class Delivery(Struct, frozen=True):
    """A call that is with its profile's actor, or waits for the disk. `link_was`: whose the session was before it."""

    admitted: Admitted
    profile_id: str
    active: Active
    link: Link | None
    link_was: str | None


class ProfileDirectory(GuardedActor):
    """Links sessions to profiles, one call at a time; activates and passivates profile actors.

    What is decided but not on disk is in memory only, so a profile or a link with a call in flight stays. An
    actor is never ended but serves the next profile: Thespian does not forget actors that exit.
    """

    def wired(self) -> None:
        self._active: InUseMap[Active] = InUseMap(self.wiring.parts.max_active_profiles)
        self._links: InUseMap[Link] = InUseMap(self.wiring.parts.max_cached_sessions)
        self._deliveries: dict[int, Delivery] = {}
        self._idle_actors: list[ActorAddress] = []

    def handlers(self) -> Mapping[type, Handler]:
        return {Admitted: self._deliver, Settled: self._settle, Answered: self._let_go}

    def _deliver(self, admitted: Admitted) -> None:
        call, source = admitted.call, admitted.source
        read: dict[str, Profile] = {}
        link = self._link(call.session_id)
        session_of = self._named(link.profile_id, read) if link else None
        claimed = self._named(call.profile_id, read) if call.profile_id is not None else None
        answering = resolve(session_of, claimed, permanent_profile_id=source.permanent_profile_id)
        profile_id = answering or self.wiring.parts.new_id()
        active = self._activate(profile_id, read.get(profile_id))
        new_session, link_was = link is None, link.profile_id if link else None
        if call.save_session:
            link = self._relink(call.session_id, link, profile_id)
            link.in_flight += 1
        else:
            link = None
        active.in_flight += 1
        self._deliveries[call.number] = Delivery(admitted, profile_id, active, link, link_was)
        orphan = session_of is not None and session_of.living is None
        self.send(active.address, Deliver(call, source, admitted.rules, active.settled, new_session, orphan))

    def _link(self, session_id: str) -> Link | None:
        link = self._links.get(session_id)
        if link is None and (session := self.wiring.parts.reads.session(session_id)):
            link = Link(session.profile_id)
            self._links.put(session_id, link)
        return link

    def _relink(self, session_id: str, link: Link | None, profile_id: str) -> Link:
        if link is None:
            link = Link(profile_id)
            self._links.put(session_id, link)
        link.profile_id = profile_id
        return link

    def _named(self, profile_id: str, read: dict[str, Profile]) -> Named:
        """What the id leads to. Profiles that had to be read for it are kept in `read`, by their own ids."""
        if profile_id in self._active or profile_id in read:
            return Named(profile_id, profile_id)
        profile = self.wiring.parts.reads.profile(profile_id)
        if profile is None:
            return Named(profile_id, None)
        read[profile.id] = profile
        return Named(profile_id, profile.id)

    def _activate(self, profile_id: str, stored: Profile | None) -> Active:
        active = self._active.get(profile_id)
        if active is None:
            active = Active(self._idle_actors.pop() if self._idle_actors else self._new_actor())
            self.send(active.address, Activate(profile_id, stored))
            for _, evicted in self._active.put(profile_id, active):
                self._passivate(evicted)
        return active

    def _new_actor(self) -> ActorAddress:
        address = self.createActor(ProfileActor)
        self.send(address, self.wiring)
        return address

    def _passivate(self, active: Active) -> None:
        self.send(active.address, Passivate())
        self._idle_actors.append(active.address)

    def _settle(self, settled: Settled) -> None:
        answers: list[Answer] = []
        for commit, outcome in settled.commits:
            delivery = self._release(commit.number)
            if outcome is Outcome.STORED:
                delivery.active.settled = commit.ordinal
                answers.append(commit.answer)
                continue
            self._forget(delivery)
            attempt = delivery.admitted.attempt + 1
            if outcome is Outcome.FAILED:
                answers.append(Refused(commit.number, Reason.STORE_FAILED, RETRY_AFTER_S))
            elif attempt > MAX_ATTEMPTS:
                answers.append(Refused(commit.number, Reason.CONTENDED, RETRY_AFTER_S))
            else:
                self.send(self.myAddress, replace(delivery.admitted, attempt=attempt))
        self.answer(*answers)

    def _let_go(self, answered: Answered) -> None:
        """A profile actor raised, or rejected them: nothing of these calls will be committed."""
        for answer in answered.answers:
            delivery = self._release(answer.number)
            if delivery.active.in_flight == 0:
                self._forget_profile(delivery)
            if delivery.link is not None and delivery.link.in_flight == 0:
                self._links.discard(delivery.admitted.call.session_id)
            elif delivery.link is not None and delivery.link_was is not None:
                delivery.link.profile_id = delivery.link_was
        self.answer(*answered.answers)

    def _release(self, number: int) -> Delivery:
        delivery = self._deliveries.pop(number)
        delivery.active.in_flight -= 1
        if delivery.link is not None:
            delivery.link.in_flight -= 1
        return delivery

    def _forget(self, delivery: Delivery) -> None:
        """What memory says of them is not true: read the profile and the session again when they are needed."""
        self._forget_profile(delivery)
        self._links.discard(delivery.admitted.call.session_id)

    def _forget_profile(self, delivery: Delivery) -> None:
        if self._active.get(delivery.profile_id) is delivery.active:
            self._active.discard(delivery.profile_id)
            self._passivate(delivery.active)
