"""The fence: a change is written only if the state that it was built on is still the stored one.

The rules, which every backend applies in the transaction of the commit:

1. The profile's stored `seq` and `revision` are those of the change's fence; (0, 0) stands for a profile that is not
   stored. A profile with the id of an erased one has other revisions than that had.
2. If the change has a session, the stored session belongs to `previous_owner` (None: it is not stored). Where
   `previous_updated` is not None, the session's stored `updated` is equal to it.
3. No profile with the id `absent_profile` is stored.
4. No earlier change of the profile in the same transaction was stale, and none of the previous owner. The numbers do
   not show this: another server may have written the profile as often as the lost change would have.
5. If the profile is new and its id `is_derived` from the call, there is no tombstone of it: an earlier copy of the call
   made the profile, which was erased.

A change that breaks a rule is stale: nothing of it is written, and the actors decide its call again on the stored
state. Changes see the earlier ones of their batch as stored. An erasure obeys rules 1 and 4. Other administration and
deletions have no fence.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast

from trackd.core.changes import Administration, Change, Changes, Erasure, Outcome
from trackd.core.documents import Event, PiiValues, Profile, Session
from trackd.core.retention_changes import Deletion

ProfileState = tuple[int, int]
"""The `seq` and `revision` of a profile."""
SessionState = tuple[str, str]
"""The profile id and the `updated` of a session."""
NOT_STORED: ProfileState = (0, 0)


@dataclass(slots=True)
class Verdict:
    """The outcomes of some changes, and the rows to write for them: each profile and session once, in its last state.

    `event_ids` are rows of profile id, event id and `seq`. `reevaluated` has times of re-evaluations by profile id,
    `pii` the changed personal data.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    profiles: dict[str, Profile] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    event_ids: list[tuple[str, str, int | None]] = field(default_factory=list)
    reevaluated: dict[str, str] = field(default_factory=dict)
    pii: dict[str, PiiValues] = field(default_factory=dict)


def judge(
    batch: Sequence[Changes],
    stored_profiles: Mapping[str, ProfileState],
    stored_sessions: Mapping[str, SessionState],
    stale: set[str] | None = None,
    erased: Set[str] = frozenset(),
) -> Verdict:
    """Apply the rules to changes that follow each other in a batch.

    `stored_profiles` and `stored_sessions` are the states, by id, of those profiles and sessions of the batch that are
    stored. `stale` are the ids of the profiles that have had a stale change in this transaction; those of this batch
    are added to it. `erased` are those ids among `derived_ids` that have tombstones.
    """
    verdict = Verdict()
    profiles, sessions = dict(stored_profiles), dict(stored_sessions)
    stale = set() if stale is None else stale
    for changes in batch:
        fence, session, profile = changes.fence, changes.session, changes.profile
        if (
            fence.profile_id in stale
            or profiles.get(fence.profile_id, NOT_STORED) != (fence.seq, fence.revision)
            or (
                session is not None
                and (changes.previous_owner in stale or not _session_matches(changes, sessions.get(session.id)))
            )
            or (changes.absent_profile is not None and changes.absent_profile in profiles)
            or (changes.is_derived and fence.profile_id in erased)
        ):
            stale.add(fence.profile_id)
            verdict.outcomes.append(Outcome.STALE)
            continue
        verdict.outcomes.append(Outcome.STORED)
        if profile is not None:
            profiles[profile.id] = (profile.seq, profile.revision)
            verdict.profiles[profile.id] = profile
            if changes.pii is not None:
                verdict.pii[profile.id] = changes.pii
        if session is not None:
            if changes.writes_session:
                sessions[session.id] = (session.profile_id, session.updated)
                verdict.sessions[session.id] = session
        elif changes.reevaluated is not None:
            verdict.reevaluated[fence.profile_id] = changes.reevaluated
        verdict.events += changes.events
        if changes.event_ids:
            verdict.event_ids += [(fence.profile_id, key, seq) for key, seq in changes.event_ids.items()]
    return verdict


def profile_ids(batch: Sequence[Changes]) -> set[str]:
    """The ids of the profiles whose stored states `judge` needs."""
    ids = {changes.fence.profile_id for changes in batch}
    ids.update([changes.absent_profile for changes in batch if changes.absent_profile is not None])
    return ids


def derived_ids(batch: Sequence[Changes]) -> set[str]:
    """The ids of the profiles whose tombstones `judge` needs."""
    return {changes.fence.profile_id for changes in batch if changes.is_derived}


def write_in_order(
    batch: Sequence[Change],
    write_calls: Callable[[Sequence[Changes], set[str]], list[Outcome]],
    write_other: Callable[[Administration | Deletion], Outcome],
) -> list[Outcome]:
    """Write a batch in its order, consecutive calls together and every other change alone; return all outcomes.

    `write_calls` receives the ids of the profiles that have had a stale change, and passes them to `judge`. An erasure
    of such a profile is stale without being written.
    """
    outcomes: list[Outcome] = []
    stale: set[str] = set()
    for are_calls, group in groupby(batch, lambda change: isinstance(change, Changes)):
        if are_calls:
            outcomes += write_calls(cast(list[Changes], list(group)), stale)
            continue
        for change in cast(list[Administration | Deletion], list(group)):
            is_stale = isinstance(change, Erasure) and change.fence.profile_id in stale
            outcomes.append(Outcome.STALE if is_stale else write_other(change))
    return outcomes


def _session_matches(changes: Changes, stored: SessionState | None) -> bool:
    profile_id, updated = stored or (None, None)
    return profile_id == changes.previous_owner and changes.previous_updated in (None, updated)


def commit_one_by_one(batch: Sequence[Change], commit: Callable[[Change], Outcome]) -> list[Outcome]:
    """Commit each change in a transaction of its own. Those that build on one that is not written are stale."""
    outcomes = []
    not_written: set[str] = set()  # ids of profiles
    for change in batch:
        profile_id = change.fence.profile_id if isinstance(change, Changes | Erasure) else None
        previous_owner = change.previous_owner if isinstance(change, Changes) else None
        is_stale = profile_id in not_written or previous_owner in not_written
        outcomes.append(Outcome.STALE if is_stale else commit(change))
        if outcomes[-1] is not Outcome.STORED and profile_id is not None:
            not_written.add(profile_id)
    return outcomes
