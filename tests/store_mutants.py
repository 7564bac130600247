"""Mutants of the stores: the rules and rows of `storage/fence.py`, or the retention, with one fault in each store."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from tests.mutants import MUTANTS, Mutant, put
from trackd.core.changes import Changes, Fence
from trackd.core.documents import timestamp
from trackd.core.retention_changes import DeleteEvents
from trackd.storage import fence, memory
from trackd.storage.fence import NOT_STORED, ProfileState, SessionState, Verdict
from trackd.storage.memory import MemoryStore
from trackd.storage.postgres import calls as postgres_calls
from trackd.storage.retention import Retention
from trackd.storage.sqlite import writer as sqlite_writer

STORES = (memory, sqlite_writer, postgres_calls)
Judge = Callable[[Sequence[Changes], Mapping[str, ProfileState], Mapping[str, SessionState], set[str] | None], Verdict]
own_judge = fence.judge


@contextmanager
def judging(judge: Judge) -> Iterator[None]:
    """All stores judge with this function."""
    for store in STORES:
        vars(store)["judge"] = judge
    try:
        yield
    finally:
        for store in STORES:
            vars(store)["judge"] = own_judge


def _no_judge(
    batch: Sequence[Changes],
    profiles: Mapping[str, ProfileState],
    sessions: Mapping[str, SessionState],
    stale: set[str] | None = None,
    erased: Set[str] = frozenset(),
) -> Verdict:
    """(g) Each change is written, whatever is stored: its rules are off."""
    states, owners = dict(profiles), {key: owner for key, (owner, _) in sessions.items()}
    fitting = []
    for changes in batch:
        profile_id, session = changes.fence.profile_id, changes.session
        seq, revision = states.get(profile_id, NOT_STORED)
        owner = owners.get(session.id) if session is not None else None
        fitting.append(
            replace(
                changes,
                fence=Fence(profile_id, seq, revision),
                previous_owner=owner,
                previous_updated=None,
                absent_profile=None,
                is_derived=False,
            )
        )
        if changes.profile is not None:
            states[profile_id] = (changes.profile.seq, changes.profile.revision)
        if session is not None and changes.writes_session:
            owners[session.id] = session.profile_id
    return own_judge(fitting, profiles, sessions, set())


class _Forgetful(set[str]):
    """A set to which nothing is added."""

    def add(self, _: str) -> None:
        pass


def _no_cascade(
    batch: Sequence[Changes],
    profiles: Mapping[str, ProfileState],
    sessions: Mapping[str, SessionState],
    stale: set[str] | None = None,
    erased: Set[str] = frozenset(),
) -> Verdict:
    """(h) A change is written though an earlier one of its profile in the transaction was stale: rule 4 is off."""
    return own_judge(batch, profiles, sessions, _Forgetful(), erased)


def _no_sessions(
    batch: Sequence[Changes],
    profiles: Mapping[str, ProfileState],
    sessions: Mapping[str, SessionState],
    stale: set[str] | None = None,
    erased: Set[str] = frozenset(),
) -> Verdict:
    """(i) The owner of a session is not compared: rule 2 is off."""
    own = fence._session_matches
    vars(fence)["_session_matches"] = lambda changes, stored: True
    try:
        return own_judge(batch, profiles, sessions, stale, erased)
    finally:
        vars(fence)["_session_matches"] = own


def _reversed_events(*given: Any) -> Verdict:
    """(j) The events of a transaction are stored in the wrong order."""
    verdict = own_judge(*given)
    verdict.events.reverse()
    return verdict


def _no_event_ids(*given: Any) -> Verdict:
    """(k) The ids of events are not stored: duplicates are not recognized once their profile is not in memory."""
    verdict = own_judge(*given)
    verdict.event_ids.clear()
    return verdict


@contextmanager
def deleting(seconds: float) -> Iterator[None]:
    """(l, m) All stores also delete the events that arrived up to so much later than the old ones."""
    in_memory, in_rows = MemoryStore._delete_events, Retention._delete_events

    def later(step: DeleteEvents) -> DeleteEvents:
        return replace(step, before=timestamp(datetime.fromisoformat(step.before) + timedelta(seconds=seconds)))

    with (
        put(MemoryStore, _delete_events=lambda self, step: in_memory(self, later(step))),
        put(Retention, _delete_events=lambda self, db, step: in_rows(self, db, later(step))),
    ):
        yield


STORE_MUTANTS: dict[str, Mutant] = {
    name: lambda judge=judge: judging(judge)  # type: ignore[misc]
    for name, judge in {
        "no-judge": _no_judge,
        "no-cascade": _no_cascade,
        "no-session-rule": _no_sessions,
        "reversed-events": _reversed_events,
        "no-event-ids": _no_event_ids,
    }.items()
}
STORE_MUTANTS |= {"early-retention": lambda: deleting(3_600), "late-retention": lambda: deleting(-3_600)}
ALL_MUTANTS: dict[str, Mutant] = MUTANTS | STORE_MUTANTS
