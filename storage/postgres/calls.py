"""Writes the calls of a batch, within a transaction of the caller: what the fences name, and then the new rows.

Nearly always all fences match, and all is written in one round trip: each statement compares what it finds, and fails
with UNEXPECTED when a row is another one. Else the rows are locked and read, and the calls judged one by one.

Other nodes commit at the same time. Either way rows of profiles and then of sessions are locked in the order of their
ids. What does not exist yet cannot be locked: new profiles and then new sessions are inserted in the order of their ids
too, and of two nodes that insert one, the later one waits, gets an error, and runs its batch again.

Of two nodes that write one profile all the time, the one that is a little faster would always win. So a node whose
commit came too late claims the profile for a moment, and until then the commits of all others are stale: the profile
changes hands, each time with all calls that wait for it on a node.
"""

from collections.abc import Mapping, Sequence, Set

from msgspec import Struct

from trackd.core.changes import Changes, Outcome
from trackd.core.documents import PiiValues, Profile, Session, tombstone
from trackd.core.encoding import reencode
from trackd.storage.fence import NOT_STORED, ProfileState, Verdict, derived_ids, judge, profile_ids
from trackd.storage.postgres.bulk import Rows, Values, found_by, insert
from trackd.storage.postgres.connection import Connection, text_of
from trackd.storage.postgres.events import put_events

LOCK_PROFILES = """
SELECT id, seq, revision, coalesce(claimed_by <> %s::bigint AND claimed_until > clock_timestamp(), false)
FROM profile WHERE id = ANY(%b) ORDER BY id FOR UPDATE
"""
CLAIM_S = 0.5  # far longer than it takes to read a profile and to commit; after a kill others wait for it
CLAIM = f"""
UPDATE profile SET claimed_by = %s::bigint, claimed_until = clock_timestamp() + interval '{CLAIM_S} s'
WHERE id = ANY(%b)
"""
CLAIMED: ProfileState = (-1, -1)  # the state of a profile that another node has claimed: no fence has it
LOCK_SESSIONS = f"SELECT id, profile_id, {text_of('updated')} FROM session WHERE id = ANY(%b) ORDER BY id FOR UPDATE"
PROFILE = (("id", "text"), ("seq", "bigint"), ("revision", "bigint"), ("doc", "json"), ("remembered", "bigint"))
INSERT_PROFILES = insert("profile", PROFILE)
CHANGED = "seq = given.seq, revision = given.revision, doc = given.doc, remembered = given.remembered"
UNCLAIMED = "claimed_by = NULL, claimed_until = NULL"
UPDATE_PROFILES = Rows(
    PROFILE, f"UPDATE profile SET {CHANGED}, {UNCLAIMED} FROM {{given}} WHERE {found_by('profile', 'id')}"
)
UNEXPECTED = "22012"  # the code of a division by zero
TOMBSTONES = "SELECT hash FROM erased WHERE hash = ANY(%b)"
# After the insertion of these profiles: nobody can make and erase them any more before the end of the transaction.
NONE_ERASED = "SELECT 1 / (count(*) = 0)::integer FROM erased WHERE hash = ANY(%b)"
ALL_FOUND = "SELECT 1 / (count(*) = %(count)s::bigint)::integer"
FENCE = (("expected_seq", "bigint"), ("expected_revision", "bigint"))
# A profile that is not changed is written all the same: rows that are only locked would be locked in another order.
UPDATE_EXPECTED = Rows(
    (*PROFILE, *FENCE),
    f"""
WITH written AS (
    UPDATE profile SET seq = given.seq, revision = given.revision, doc = coalesce(given.doc, profile.doc),
        remembered = coalesce(given.remembered, profile.remembered), {UNCLAIMED}
    FROM {{given}}
    WHERE {found_by("profile", "id")} AND profile.seq = expected_seq AND profile.revision = expected_revision
    AND (claimed_by IS NULL OR claimed_by = %(node)s OR claimed_until <= clock_timestamp())
    RETURNING 1
) {ALL_FOUND} FROM written
""",
)
SESSION = (
    ("id", "text"),
    ("profile_id", "text"),
    ("inserted", "timestamptz"),
    ("updated", "timestamptz"),
    ("context", "json"),
    ("properties", "json"),
)
INSERT_SESSIONS = insert("session", SESSION)
UPDATE_SESSIONS = Rows(
    SESSION,
    "UPDATE session SET profile_id = given.profile_id, updated = given.updated, context = given.context,"
    f" properties = given.properties FROM {{given}} WHERE {found_by('session', 'id')}",
)
# An owner may have many sessions: with an equality they might be found by the index of owners.
LOCK_EXPECTED = Rows(
    (("id", "text"), ("owner", "text"), ("expected", "text")),
    f"""
{ALL_FOUND} FROM (
    SELECT 1 FROM {{given}} JOIN session ON {found_by("session", "id")}
    WHERE session.profile_id IS NOT DISTINCT FROM owner
    AND (expected IS NULL OR {text_of("session.updated")} = expected)
    FOR UPDATE OF session
) AS found
""",
)
PUT_EVENT_IDS = insert("event_id", (("profile_id", "text"), ("id", "text"), ("seq", "bigint")))
SET_REEVALUATED = Rows(
    (("id", "text"), ("time", "timestamptz")),
    f"UPDATE profile SET reevaluated = given.time FROM {{given}} WHERE {found_by('profile', 'id')}",
)
DELETE_PII = "DELETE FROM pii WHERE profile_id = ANY(%b)"
PUT_PII = insert("pii", (("name", "text"), ("value", "text"), ("profile_id", "text")))


class ExpectedWrites(Struct, frozen=True):
    """The writes of calls whose fences match. `profiles` and `sessions` are the states that must be stored, by id.

    That of a session is its owner and, unless it may be any, its `updated`. `derived`: see `derived_ids`.
    """

    verdict: Verdict
    profiles: Mapping[str, ProfileState]
    sessions: Mapping[str, tuple[str, str | None]]
    derived: Set[str]

    @property
    def outcomes(self) -> list[Outcome]:
        return self.verdict.outcomes

    def put(self, db: Connection, node: int) -> int:
        """Returns the number of events. What is stored otherwise fails with UNEXPECTED, at the end of a pipeline."""
        written = self.verdict.profiles
        profiles = [
            (*(_row(written[key]) if key in written else (key, *state, None, None)), *state)
            for key, state in sorted(self.profiles.items())
        ]
        UPDATE_EXPECTED.run(db, profiles, node=node)
        LOCK_EXPECTED.run(db, [(key, *state) for key, state in sorted(self.sessions.items())])
        _insert_profiles(db, self.verdict, self.profiles.keys(), self.derived)
        return _put_others(db, self.verdict, self.sessions.keys(), 0)


def expected_writes(calls: Sequence[Changes]) -> ExpectedWrites | None:
    """None when the calls must be judged by what is stored."""
    profiles: dict[str, ProfileState] = {}
    sessions: dict[str, tuple[str | None, str | None]] = {}
    for changes in calls:
        if changes.absent_profile is not None:
            return None
        fence, session = changes.fence, changes.session
        profiles.setdefault(fence.profile_id, (fence.seq, fence.revision))
        if session is not None:
            sessions.setdefault(session.id, (changes.previous_owner, changes.previous_updated))
    stored = {key: state for key, state in profiles.items() if state != NOT_STORED}
    owned = {key: (owner, updated) for key, (owner, updated) in sessions.items() if owner is not None}
    verdict = judge(calls, stored, {key: (owner, updated or "") for key, (owner, updated) in owned.items()})
    are_inserted = profiles.keys() - stored.keys() <= verdict.profiles.keys()
    are_inserted = are_inserted and sessions.keys() - owned.keys() <= verdict.sessions.keys()
    if Outcome.STALE in verdict.outcomes or not are_inserted:
        return None
    return ExpectedWrites(verdict, stored, owned, derived_ids(calls))


def write_locked(
    db: Connection, calls: Sequence[Changes], stale: set[str], node: int, places: int
) -> tuple[list[Outcome], int]:
    """Write the calls whose fences match; returns the outcomes and the number of events. `stale`: see `judge`.

    The transaction has used so many places of numbers before.
    """
    session_ids = {changes.session.id for changes in calls if changes.session}
    derived = {tombstone(key): key for key in derived_ids(calls)}
    profiles, sessions, erased = db.rows_of(
        (LOCK_PROFILES, [node, sorted(profile_ids(calls))]),
        (LOCK_SESSIONS, [sorted(session_ids)]),
        (TOMBSTONES, [[*derived]]),
    )
    stored_profiles = {key: CLAIMED if is_claimed else (seq, revision) for key, seq, revision, is_claimed in profiles}
    stored_sessions = {key: (profile_id, updated) for key, profile_id, updated in sessions}
    verdict = judge(calls, stored_profiles, stored_sessions, stale, {derived[found] for (found,) in erased})
    _insert_profiles(db, verdict, stored_profiles.keys(), set(derived.values()))
    UPDATE_PROFILES.run(db, [_row(each) for each in verdict.profiles.values() if each.id in stored_profiles])
    events = _put_others(db, verdict, stored_sessions.keys(), places)
    if Outcome.STALE in verdict.outcomes:
        _claim(db, node, calls, verdict, stored_profiles)
    return verdict.outcomes, events


def _claim(
    db: Connection, node: int, calls: Sequence[Changes], verdict: Verdict, stored: Mapping[str, ProfileState]
) -> None:
    """Claim the profiles that other nodes have written, and not claimed."""
    fences = [
        changes.fence for changes, outcome in zip(calls, verdict.outcomes, strict=True) if outcome is Outcome.STALE
    ]
    overtaken = {
        fence.profile_id
        for fence in fences
        if stored.get(fence.profile_id, CLAIMED) not in (CLAIMED, (fence.seq, fence.revision))
    }
    if claimed := sorted(overtaken - verdict.profiles.keys()):
        db.run(CLAIM, [node, claimed])


def _row(profile: Profile) -> Values:
    return profile.id, profile.seq, profile.revision, reencode(profile.doc_json), profile.memo


def _insert_profiles(db: Connection, verdict: Verdict, stored: Set[str], derived: Set[str]) -> None:
    """Fails with UNEXPECTED when another node has made and erased a profile with a derived id meanwhile."""
    INSERT_PROFILES.run(db, [_row(each) for key, each in sorted(verdict.profiles.items()) if key not in stored])
    if hashes := [tombstone(key) for key in derived & verdict.profiles.keys()]:
        db.run(NONE_ERASED, [hashes])


def _put_others(db: Connection, verdict: Verdict, stored_sessions: Set[str], places: int) -> int:
    """Write everything but profiles; returns the number of events. The ids are those of sessions that exist."""
    put_events(db, verdict.events, places)
    PUT_EVENT_IDS.run(db, verdict.event_ids)
    SET_REEVALUATED.run(db, [*verdict.reevaluated.items()])
    _put_pii(db, verdict.pii)
    sessions = sorted(verdict.sessions.items())
    INSERT_SESSIONS.run(db, [_session_row(each) for key, each in sessions if key not in stored_sessions])
    UPDATE_SESSIONS.run(db, [_session_row(each) for key, each in sessions if key in stored_sessions])
    return len(verdict.events)


def _session_row(session: Session) -> Values:
    context, properties = reencode(session.context_json), reencode(session.properties_json)
    return session.id, session.profile_id, session.inserted, session.updated, context, properties


def _put_pii(db: Connection, values: Mapping[str, PiiValues]) -> None:
    if values:
        db.run(DELETE_PII, [[*values]])
    PUT_PII.run(db, [(name, value, key) for key, pairs in values.items() for name, value in pairs])
