"""What trackd promises, as the plainest program that keeps it: one call after the other, in dictionaries.

It is written from the contract (2.3, 2.4, 2.5) and knows no actors, batches, fences or failures.
"""

from collections.abc import Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from trackd.core.calls import Track
from trackd.core.changes import DeleteEvents
from trackd.core.documents import timestamp

SESSION_UPDATED_EVERY_S = 10.0
NEW = None  # in the place of an id: one that never was


@dataclass(frozen=True, slots=True)
class Person:
    """A profile. `birth` tells apart those who have had one id one after the other; `writer` is the last node."""

    birth: int
    seq: int = 0
    visits: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    traits: dict[str, int] = field(default_factory=dict)
    updated: str = ""
    writer: int = -1

    def says(self) -> tuple[object, ...]:
        views = self.counters.get("page-view", 0)
        return self.seq, self.visits, self.visits, views, self.counters, self.traits, self.updated


class Seat(NamedTuple):
    """A session."""

    profile_id: str
    inserted: str
    updated: str
    context: dict[str, int]


class Arrived(NamedTuple):
    """A stored event; of nobody when it was made anonymous."""

    id: str
    profile_id: str
    seq: int
    inserted: str


class Effect(NamedTuple):
    """What a call does, and what its answer has to say. `listed`: id, seq and whether it is stored by this call."""

    profile_id: str
    person: Person
    ids: dict[str, int | None]
    stored: list[Arrived]
    listed: list[tuple[str, int, bool]]
    seat: Seat | None
    writes: bool
    profile_saved: bool
    session_saved: bool


class Model:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.ids: dict[str, dict[str, int | None]] = {}
        self.merged: dict[str, str] = {}
        self.seats: dict[str, Seat] = {}
        self.arrived: list[Arrived] = []
        self.ever: set[str] = set()
        self.erased_by: dict[str, int] = {}
        self.retired: dict[str, str] = {}
        self.earlier: dict[str, set[str | None]] = {}
        self._births = 0

    def living(self, profile_id: str | None) -> str | None:
        """Whom the id leads to."""
        if profile_id in self.people:
            return profile_id
        return self.merged.get(profile_id or "")

    def answering(self, call: Track) -> set[str | None]:
        """Which profiles may answer. More than one where a session was deleted for its age (README, Retention)."""
        claimed, seat = call.profile_id, self.seats.get(call.session_id)
        if claimed in self.merged:
            return {self.merged[claimed]}
        if seat is not None and (living := self.living(seat.profile_id)):
            return {living}
        if claimed in self.people or (claimed is not None and seat is None and call.source_id == "permanent"):
            may = {claimed}
        else:
            may = {NEW}
        if seat is None and (memo := self.living(self.retired.get(call.session_id))):
            may.add(memo)
        return may

    def may_answer(self, call: Track, profile_id: str, could: Set[str | None] = frozenset()) -> bool:
        """`could`: others who may, too."""
        may = self.answering(call) | could
        if profile_id in may:
            return True
        return NEW in may and profile_id not in self.ever and profile_id != call.profile_id

    def effect(self, call: Track, profile_id: str, rules: int, node: int) -> Effect:
        """What the call does when this profile answers it."""
        before = self.people.get(profile_id)
        seat_before = self.seats.get(call.session_id)
        known = self.ids.get(profile_id, {})
        visits = call.save_session and self._is_visit(seat_before, profile_id)
        counters = dict(before.counters) if before else {}
        traits = dict(before.traits) if before else {}
        seq = before.seq if before else 0
        ids: dict[str, int | None] = {}
        stored: list[Arrived] = []
        listed: list[tuple[str, int, bool]] = []
        processed = ruled = False
        for event in call.events:
            if event.own_id and (event.id in known or event.id in ids):
                first = ids[event.id] if event.id in ids else known[event.id]
                if first is not None:
                    listed.append((event.id, first, False))
                continue
            if rules == 2 and event.type == "u":
                continue  # unwanted
            processed = True
            counters[event.type] = counters.get(event.type, 0) + 1
            if rules and event.type == "t":
                trait, by = ("a", 1) if rules == 1 else ("b", 2)
                traits[trait] = traits.get(trait, 0) + by
                ruled = True
            number = None
            if event.store:
                number = seq = seq + 1
                stored.append(Arrived(event.id, profile_id, seq, call.received))
                listed.append((event.id, seq, True))
            if event.own_id:
                ids[event.id] = number
        seat, content_changed = self._seat(call, profile_id, seat_before)
        writes = before is None or processed or content_changed
        person = before or Person(self._births + 1)
        if writes:
            person = replace(
                person,
                seq=seq,
                visits=person.visits + visits,
                counters=counters,
                traits=traits,
                updated=call.received,
                writer=node,
            )
        return Effect(
            profile_id,
            person,
            ids,
            stored,
            listed,
            seat,
            writes or (seat is not seat_before and seat is not None),
            profile_saved=before is None or visits or ruled,
            session_saved=content_changed,
        )

    def _is_visit(self, seat: Seat | None, profile_id: str) -> bool:
        return seat is None or (self.living(seat.profile_id) is None and seat.profile_id != profile_id)

    def _seat(self, call: Track, profile_id: str, before: Seat | None) -> tuple[Seat | None, bool]:
        """The session after the call, and whether it says more than before."""
        if not call.save_session:
            return None, False
        if before is None:
            return Seat(profile_id, call.received, call.received, dict(call.context or {})), True
        context = before.context | (call.context or {})
        updated = max(before.inserted, call.received)  # calls that were held back come later than they were received
        if updated == before.updated and context != before.context:
            updated = timestamp(datetime.fromisoformat(updated) + timedelta(microseconds=1))
        if profile_id != before.profile_id or context != before.context:
            return Seat(profile_id, before.inserted, updated, context), True
        since = datetime.fromisoformat(updated) - datetime.fromisoformat(before.updated)
        if since.total_seconds() >= SESSION_UPDATED_EVERY_S:
            return before._replace(updated=updated), False
        return before, False

    def apply(self, call: Track, effect: Effect) -> None:
        profile_id = effect.profile_id
        if profile_id not in self.people:
            self._births += 1
            self.ever.add(profile_id)
            self.erased_by.pop(profile_id, None)
        self.people[profile_id] = effect.person
        if effect.ids:
            self.ids.setdefault(profile_id, {}).update(effect.ids)
        self.arrived += effect.stored
        if effect.seat is not None:
            self.seats[call.session_id] = effect.seat
            self.earlier.setdefault(call.session_id, set()).add(profile_id)
            self.retired.pop(call.session_id, None)

    def erase(self, profile_id: str, node: int, *, keep_events: bool) -> None:
        del self.people[profile_id]
        self.ids.pop(profile_id, None)
        self.erased_by[profile_id] = node
        self.seats = {key: seat for key, seat in self.seats.items() if seat.profile_id != profile_id}
        self.merged = {key: into for key, into in self.merged.items() if into != profile_id}
        of_others = [event for event in self.arrived if event.profile_id != profile_id]
        if keep_events:
            self.arrived = [
                Arrived("", "", 0, event.inserted) if event.profile_id == profile_id else event
                for event in self.arrived
            ]
        else:
            self.arrived = of_others

    def delete_events(self, step: DeleteEvents) -> None:
        end = 0
        for event in self.arrived[: step.limit]:
            if event.inserted >= step.before:
                break
            self.ids.get(event.profile_id, {}).pop(event.id, None)
            end += 1
        self.arrived = self.arrived[end:]

    def retire(self, session_id: str) -> None:
        """The session was deleted for its age."""
        self.retired[session_id] = self.seats.pop(session_id).profile_id
