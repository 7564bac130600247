"""The model: the simplest program that keeps the promises of trackd. It applies one call after another to dictionaries.

It follows the contract (2.3, 2.4, 2.5) and has no actors, batches, fences or failures.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.simulation.model_feed import ModelEvent, ModelFeed
from trackd.core.calls import Track
from trackd.core.documents import timestamp
from trackd.core.retention_changes import DeleteEvents

SESSION_UPDATED_EVERY_S = 10.0
NEW = None  # in place of a profile id: an id that was never used


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """A profile. `birth` is different for profiles that had the same id one after another.

    `writer` is the number of the last node that wrote it.
    """

    birth: int
    seq: int = 0
    visits: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    traits: dict[str, int] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    updated: str = ""
    writer: int = -1

    def content(self) -> tuple[object, ...]:
        views = self.counters.get("page-view", 0)
        return self.seq, self.visits, self.visits, views, self.counters, self.traits, self.segments, self.updated


class ModelSession(NamedTuple):
    """A session."""

    profile_id: str
    inserted: str
    updated: str
    context: dict[str, int]


class Effect(NamedTuple):
    """The effect of a call, and the required content of its answer.

    `listed` has the id and `seq` of each event and whether this call stored it. `duplicates` are the log entries of
    events that the profile had. `writes`: the call changes the store.
    """

    profile_id: str
    profile: ModelProfile
    ids: dict[str, int | None]
    stored: list[ModelEvent]
    listed: list[tuple[str, int, bool]]
    duplicates: list[str]
    session: ModelSession | None
    writes: bool
    profile_saved: bool
    session_saved: bool


def segments_of(rules: int, counters: dict[str, int], traits: dict[str, int]) -> frozenset[str]:
    """The segments of a profile under these rules."""
    views = counters.get("page-view", 0)
    match rules:
        case 1:
            holds = {"s": views >= 2, "a": "a" in traits}
        case 2:
            holds = {"s": views >= 4, "t": "t" in counters}
        case _:
            holds = {}
    return frozenset(segment for segment, is_in in holds.items() if is_in)


class Model:
    def __init__(self, end_after_s: int = 0) -> None:
        """`end_after_s`: a call after that much silence is a new visit; 0 for never."""
        self._end_after_s = end_after_s
        self.profiles: dict[str, ModelProfile] = {}
        self.ids: dict[str, dict[str, int | None]] = {}
        self.merged: dict[str, str] = {}
        self.sessions: dict[str, ModelSession] = {}
        self.types: dict[tuple[str, str], str] = {}  # by profile id and own id, of stored events
        self.feed = ModelFeed()
        self.ids_ever: set[str] = set()  # of profiles
        self.erased_by: dict[str, int] = {}  # profile id to node
        self.tombstones: set[str] = set()  # ids of profiles
        self.retired: dict[str, str] = {}  # deleted session to its last owner
        self.earlier: dict[str, set[str | None]] = {}  # session to all its owners so far
        self._sweeps: dict[int | None, tuple[str, int]] = {}  # `before` and the last place, of sweeps under way
        self._births = 0

    def living(self, profile_id: str | None) -> str | None:
        """The id of the existing profile that the id leads to."""
        if profile_id in self.profiles:
            return profile_id
        return self.merged.get(profile_id or "")

    def profile(self, profile_id: str) -> ModelProfile | None:
        """The existing profile that the id leads to."""
        living = self.living(profile_id)
        return self.profiles[living] if living else None

    def answering(self, call: Track) -> set[str | None]:
        """The profiles that may answer. There is more than one if the session was deleted because of its age."""
        if derived := self.living(call.derived_profile_id):
            return {derived}  # a retry
        claimed, session = call.profile_id, self.sessions.get(call.session_id)
        if claimed in self.merged:
            return {self.merged[claimed]}
        if session is not None and (living := self.living(session.profile_id)):
            return {living}
        if claimed in self.profiles or (claimed is not None and session is None and call.source_id == "permanent"):
            may: set[str | None] = {claimed}
        else:
            is_free = call.derived_profile_id not in self.tombstones
            may = {call.derived_profile_id if is_free else NEW}
        if session is None and (cached := self.living(self.retired.get(call.session_id))):
            may.add(cached)
        return may

    def may_answer(self, call: Track, profile_id: str, possible: Set[str | None] = frozenset()) -> bool:
        """`possible`: profiles that may answer besides those of the model."""
        may = self.answering(call) | possible
        if profile_id in may:
            return True
        return NEW in may and profile_id not in self.ids_ever and profile_id != call.profile_id

    def rejects(self, call: Track, rules: int) -> bool:
        """Whether the call takes too much work. Events `heavy` have no id of their own, so none is a duplicate."""
        return rules > 0 and any(event.type == "heavy" for event in call.events)

    def effect(
        self, call: Track, profile_id: str, rules: int, node: int, deleted: Mapping[str, int | None] | None = None
    ) -> Effect:
        """The effect of the call if this profile answers it. `deleted` are ids of events, deleted since then."""
        before = self.profiles.get(profile_id)
        session_before = self.sessions.get(call.session_id)
        known = {**(deleted or {}), **self.ids.get(profile_id, {})}
        visits = call.save_session and self._is_visit(call, session_before, profile_id)
        counters = dict(before.counters) if before else {}
        traits = dict(before.traits) if before else {}
        segments = before.segments if before else frozenset()
        seq = before.seq if before else 0
        ids: dict[str, int | None] = {}
        stored: list[ModelEvent] = []
        listed: list[tuple[str, int, bool]] = []
        duplicates: list[str] = []
        types: dict[str, str] = {}
        processed = ruled = False
        for event in call.events:
            if event.own_id and (event.id in known or event.id in ids):
                first = ids[event.id] if event.id in ids else known[event.id]
                if first is None:
                    duplicates.append(f"duplicate of event {event.id}: not stored")
                else:
                    listed.append((event.id, first, False))
                    first_type = types.get(event.id) or self.types[profile_id, event.id]
                    duplicates.append(f"duplicate of event {event.id}: seq {first}, type {first_type}")
                continue
            if rules == 2 and event.type == "u":
                continue  # unwanted
            processed, trace = True, None
            counters[event.type] = counters.get(event.type, 0) + 1
            if rules and event.type == "t":
                trait, by = ("a", 1) if rules == 1 else ("b", 2)
                traits[trait] = traits.get(trait, 0) + by
                ruled, trace = True, f'[{{"id":"{trait}","changed":["traits.public.{trait}"]}}]'
            if (now := segments_of(rules, counters, traits)) != segments:
                segments, ruled = now, True
            number = None
            if event.store:
                number = seq = seq + 1
                stored.append(ModelEvent(event.id, profile_id, seq, call.received, event.type, trace))
                types[event.id] = event.type
                listed.append((event.id, seq, True))
            if event.own_id:
                ids[event.id] = number
        session, content_changed = self._session_after(call, profile_id, session_before)
        session_changed = session is not None and session is not session_before
        writes = before is None or processed or content_changed or (session_changed and self._end_after_s > 0)
        profile = before or ModelProfile(self._births + 1)
        if writes:
            profile = replace(
                profile,
                seq=seq,
                visits=profile.visits + visits,
                counters=counters,
                traits=traits,
                segments=segments,
                updated=call.received,
                writer=node,
            )
        return Effect(
            profile_id,
            profile,
            ids,
            stored,
            listed,
            duplicates,
            session,
            writes or session_changed,
            profile_saved=before is None or visits or ruled,
            session_saved=content_changed,
        )

    def _is_visit(self, call: Track, session: ModelSession | None, profile_id: str) -> bool:
        if session is None or (self.living(session.profile_id) is None and session.profile_id != profile_id):
            return True
        return 0 < self._end_after_s <= _seconds(session.updated, call.received)

    def _session_after(
        self, call: Track, profile_id: str, before: ModelSession | None
    ) -> tuple[ModelSession | None, bool]:
        """The session after the call, and whether its content changed."""
        if not call.save_session:
            return None, False
        if before is None:
            return ModelSession(profile_id, call.received, call.received, dict(call.context or {})), True
        context = before.context | (call.context or {})
        updated = max(before.updated, call.received)  # calls queued behind an erasure are applied later
        if updated == before.updated and context != before.context:
            updated = timestamp(datetime.fromisoformat(updated) + timedelta(microseconds=1))
        if profile_id != before.profile_id or context != before.context:
            return ModelSession(profile_id, before.inserted, updated, context), True
        if _seconds(before.updated, updated) >= (0.000001 if self._end_after_s else SESSION_UPDATED_EVERY_S):
            return before._replace(updated=updated), False
        return before, False

    def apply(self, call: Track, effect: Effect) -> None:
        profile_id = effect.profile_id
        if profile_id not in self.profiles:
            self._births += 1
            self.ids_ever.add(profile_id)
            self.erased_by.pop(profile_id, None)
        self.profiles[profile_id] = effect.profile
        if effect.ids:
            self.ids.setdefault(profile_id, {}).update(effect.ids)
            self.types |= {(profile_id, event.id): event.type for event in effect.stored}
        self.feed.add(effect.stored)
        if effect.session is not None:
            self.sessions[call.session_id] = effect.session
            self.earlier.setdefault(call.session_id, set()).add(profile_id)
            self.retired.pop(call.session_id, None)

    def reevaluated(self, profile_id: str, rules: int, node: int) -> ModelProfile:
        """The profile after a re-evaluation, the same object if nothing changes."""
        profile = self.profiles[profile_id]
        segments = segments_of(rules, profile.counters, profile.traits)
        return profile if segments == profile.segments else replace(profile, segments=segments, writer=node)

    def erase(self, profile_id: str, node: int, *, keep_events: bool) -> None:
        del self.profiles[profile_id]
        self.ids.pop(profile_id, None)
        erased = [profile_id, *(key for key, into in self.merged.items() if into == profile_id)]
        self.tombstones |= {*erased}
        self.erased_by[profile_id] = node
        sessions = {key for key, session in self.sessions.items() if session.profile_id == profile_id}
        self.feed.clear_refusals({*erased}, sessions)
        self.sessions = {key: session for key, session in self.sessions.items() if key not in sessions}
        self.merged = {key: into for key, into in self.merged.items() if into != profile_id}
        self.feed.erase(profile_id, erased, keep_events=keep_events)

    def delete_events(self, step: DeleteEvents, sweeper: int | None) -> list[ModelEvent]:
        """Returns the deleted ones. A `sweeper` finds the end of its sweep once; None: each step finds it anew."""
        before, end = self._sweeps.pop(sweeper, ("", 0))
        if before != step.before:
            end = self.feed.last_old(step)
        deleted = self.feed.delete_oldest(step.limit, end)
        if sweeper is not None and len(deleted) == step.limit:
            self._sweeps[sweeper] = (step.before, end)
        for event in deleted:
            self.ids.get(event.profile_id, {}).pop(event.id, None)
        return deleted

    def retire(self, session_id: str) -> None:
        """Delete a session because of its age. A node may still have its owner in memory."""
        self.retired[session_id] = self.sessions.pop(session_id).profile_id


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
