"""Lookups that a test steps, in any store."""

from trackd.actors.loader import LookedUp
from trackd.storage.errors import StoreError
from trackd.storage.lookups import KnownEvent, Loaded, Wanted
from trackd.storage.store import ReadsByKey


class SteppedLookups:
    """Lookups that end at `step`. The store is read at their beginning and at their end: a lookup takes its time."""

    def __init__(self, reads: ReadsByKey, looked_up: LookedUp) -> None:
        self._reads = reads
        self._looked_up = looked_up
        self.wanted: Wanted | None = None
        self.batches: list[Wanted] = []
        self._early: Loaded | StoreError = Loaded()

    def submit(self, wanted: Wanted) -> None:
        assert self.wanted is None, "one lookup at a time"
        self.wanted = wanted
        self.batches.append(wanted)
        self._early = look_up(self._reads, wanted)

    def step(self, when: str = "end") -> None:
        """End the lookup under way. `when`: the state that it shows, of its "begin" or its "end"."""
        assert self.wanted is not None
        early, late, self.wanted = self._early, look_up(self._reads, self.wanted), None
        self._looked_up(early if when == "begin" else late)

    def fail(self) -> None:
        self.wanted = None
        self._looked_up(StoreError("the network is down"))

    def close(self) -> None:
        self.wanted = None


def look_up(reads: ReadsByKey, wanted: Wanted) -> Loaded | StoreError:
    """The result of a lookup, read at once."""
    try:
        return _look_up(reads, wanted)
    except StoreError as error:
        return error


def _look_up(reads: ReadsByKey, wanted: Wanted) -> Loaded:
    sessions = {session_id: reads.session(session_id) for session_id in wanted.sessions}
    owners = {session.profile_id for session in sessions.values() if session}
    profiles = {profile_id: reads.profile(profile_id) for profile_id in wanted.profiles | owners}
    keys = set(wanted.events)
    for session_id, event_id in wanted.owned:
        if session := reads.session(session_id):
            keys.add((session.profile_id, event_id))
    events: dict[tuple[str, str], KnownEvent | None] = {}
    for named_id, event_id in keys:
        profile = reads.profile(named_id)
        profile_id = profile.id if profile else named_id
        known = reads.known_events(profile_id, [event_id])
        first = reads.first_copies(profile_id, [event_id])
        is_known = event_id in known
        events[profile_id, event_id] = KnownEvent(known[event_id], first.get(event_id)) if is_known else None
    return Loaded(sessions, profiles, events, {key: reads.is_erased(key) for key in wanted.erased})
