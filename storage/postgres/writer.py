"""Commits batches of changes to a PostgreSQL database: one connection, one transaction for each batch, fixed SQL.

A batch of calls takes two round trips: one for the locks and the stored states, one for all that is written.

Other nodes commit at the same time. The rows of profiles and sessions are locked in the order of their ids before they
are compared with the fences. What does not exist yet cannot be locked: of two nodes that insert it, one gets an error,
and runs its batch again.

Of two nodes that write one profile all the time, the one that is a little faster would always win. So a node whose
commit came too late claims the profile for a moment, and until then the commits of all others are stale: the profile
changes hands, each time with all calls that wait for it on a node.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence, Set

import psycopg

from trackd.core.changes import Administration, Change, Changes, Erasure, Outcome
from trackd.core.documents import PiiValues
from trackd.core.encoding import reencode
from trackd.core.jobs import AddJob, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, UseLink
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, PutRetentionStop, Swept
from trackd.core.source_changes import AddSource, EditSource, RemoveSource
from trackd.core.token_changes import PutTokenUse
from trackd.storage.errors import StoreError
from trackd.storage.fence import ProfileState, Verdict, commit_one_by_one, judge, profile_ids, write_in_order
from trackd.storage.postgres.administration import (
    add_job,
    add_source,
    edit_source,
    put_job,
    put_login,
    put_stop,
    put_token_use,
    remove_source,
)
from trackd.storage.postgres.bulk import Rows, insert
from trackd.storage.postgres.connection import (
    CORRUPTED,
    READ_ONLY,
    RUN_AGAIN,
    Connection,
    code_of,
    is_of_one_change,
    reason_of,
    text_of,
)
from trackd.storage.postgres.erasure import erase
from trackd.storage.postgres.events import put_events
from trackd.storage.postgres.numbers import MAX_PLACES
from trackd.storage.postgres.refusals import put_refusals
from trackd.storage.postgres.retention import Retention
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

RUNS = 10  # of a batch whose rows other nodes write at the same time
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
UPDATE_PROFILES = Rows(
    PROFILE,
    "UPDATE profile SET seq = given.seq, revision = given.revision, doc = given.doc, remembered = given.remembered,"
    " claimed_by = NULL, claimed_until = NULL"
    " FROM {given} WHERE profile.id = given.id",
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
    " properties = given.properties FROM {given} WHERE session.id = given.id",
)
PUT_EVENT_IDS = insert("event_id", (("profile_id", "text"), ("id", "text"), ("seq", "bigint")))
SET_REEVALUATED = Rows(
    (("id", "text"), ("time", "timestamptz")),
    "UPDATE profile SET reevaluated = given.time FROM {given} WHERE profile.id = given.id",
)
DELETE_PII = "DELETE FROM pii WHERE profile_id = ANY(%b)"
PUT_PII = insert("pii", (("name", "text"), ("value", "text"), ("profile_id", "text")))
# A node that is stopped within a batch must not hold the locks of its rows for longer.
BEGIN = ("BEGIN", "SET LOCAL idle_in_transaction_session_timeout = '5s'")
HEARTBEAT = "UPDATE heartbeat SET beats = beats + 1"


class PostgresWriter:
    """The committing half of `PostgresStore`. Used by one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._retention = Retention()
        self._node = secrets.randbits(62)
        self._limited_log = RateLimitedLog()
        self._places = 0  # of numbers that the transaction has used
        self.swept: Swept | None = None
        """See `Store.swept`."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """See `Store.commit`.

        When the answer to the COMMIT itself is lost, StoreError is raised though the batch may be written. Callers
        read the stored state again; what they commit on an older one is stale.
        """
        try:
            return self._commit_again(batch)
        except StoreError:
            raise
        except Exception as error:
            if not is_of_one_change(error):
                raise StoreError(f"cannot commit: {reason_of(error)}") from error
            if len(batch) > 1:
                return commit_one_by_one(batch, self._commit_alone)
            if not batch:
                raise StoreError(f"cannot write: {reason_of(error)}") from error
            if (number := self._limited_log.due(type(error).__name__)) is not None:
                fault = f"code {code_of(error)}" if isinstance(error, psycopg.Error) else type(error).__name__
                log.error("a change cannot be stored: %s (%d since the last such line)", fault, number)
            return [Outcome.UNREADABLE if code_of(error) in CORRUPTED else Outcome.FAILED]

    def _commit_again(self, batch: Sequence[Change]) -> list[Outcome]:
        """Run a batch until no other node writes the same rows, and once more after a connection was lost before."""
        lost = 0
        for run in range(RUNS):
            was_open = self._db.is_open
            try:
                return self._commit_together(batch)
            except psycopg.Error as error:
                lost += not self._db.is_open
                is_stale_connection = was_open and not self._db.is_open and lost == 1 and not self._committing
                if not is_stale_connection and (code_of(error) not in RUN_AGAIN or run == RUNS - 1):
                    raise
        raise AssertionError("unreachable")

    def _commit_together(self, batch: Sequence[Change]) -> list[Outcome]:
        progress, self.swept = self._retention.progress, None
        self._places, self._committing = 0, False
        are_calls = all(type(change) is Changes for change in batch)  # nothing depends on the results of their writes
        try:
            with self._db.transaction(pipelined=are_calls):
                for statement in BEGIN:
                    self._db.run(statement)
                outcomes = write_in_order(batch, self._write_calls, self._write_other)
                if not batch:
                    self._db.run(HEARTBEAT)
                self._committing = True
                self._db.run("COMMIT")
        except BaseException as error:
            self._retention.progress = progress
            self._db.roll_back()
            if code_of(error) == READ_ONLY:  # after a failover another one of the URL's hosts takes commits
                self._db.close()
            raise
        return outcomes

    def _commit_alone(self, change: Change) -> Outcome:
        try:
            return self.commit([change])[0]
        except StoreError as error:
            log.error("a change was not stored: %s", error)
            return Outcome.FAILED

    def _write_other(self, change: Administration | Deletion) -> Outcome:
        db = self._db
        match change:
            case Erasure():
                outcome, places = erase(db, change, self._places)
                self._use(places)
                return outcome
            case DeleteEvents() | DeleteSessions():
                outcome, self.swept = self._retention.delete(db, change)
                return outcome
            case AddJob():
                is_written = add_job(db, change) > 0
            case PutJob():
                is_written = put_job(db, change)
            case PutTokenUse():
                is_written = put_token_use(db, change)
            case AddLogin() | UseLink() | EndLogin():
                is_written = put_login(db, change)
            case AddSource():
                is_written = add_source(db, change.source)
            case EditSource():
                is_written = edit_source(db, change) is not None
            case RemoveSource():
                is_written = remove_source(db, change.source_id)
            case PutRetentionStop():
                is_written = put_stop(db, change)
            case PutRefusals():
                is_written = put_refusals(db, change)
        return Outcome.STORED if is_written else Outcome.STALE

    def _write_calls(self, calls: Sequence[Changes], stale: set[str]) -> list[Outcome]:
        session_ids = {changes.session.id for changes in calls if changes.session}
        profiles, sessions = self._db.rows_of(
            (LOCK_PROFILES, [self._node, sorted(profile_ids(calls))]), (LOCK_SESSIONS, [sorted(session_ids)])
        )
        stored_profiles = {
            key: CLAIMED if is_claimed else (seq, revision) for key, seq, revision, is_claimed in profiles
        }
        stored_sessions = {key: (profile_id, updated) for key, profile_id, updated in sessions}
        verdict = judge(calls, stored_profiles, stored_sessions, stale)
        self._put(verdict, stored_profiles.keys(), stored_sessions.keys())
        if Outcome.STALE in verdict.outcomes:
            self._claim(calls, verdict, stored_profiles)
        return verdict.outcomes

    def _claim(self, calls: Sequence[Changes], verdict: Verdict, stored: Mapping[str, ProfileState]) -> None:
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
            self._db.run(CLAIM, [self._node, claimed])

    def _put(self, verdict: Verdict, profile_ids: Set[str], session_ids: Set[str]) -> None:
        """Write the rows of a verdict. The ids are those of the rows that exist."""
        db = self._db
        put_events(db, verdict.events, self._places)
        self._use(len(verdict.events))
        PUT_EVENT_IDS.run(db, verdict.event_ids)
        profiles = [(p.id, p.seq, p.revision, reencode(p.doc_json), p.memo) for p in verdict.profiles.values()]
        INSERT_PROFILES.run(db, [row for row in profiles if row[0] not in profile_ids])
        UPDATE_PROFILES.run(db, [row for row in profiles if row[0] in profile_ids])
        SET_REEVALUATED.run(db, [*verdict.reevaluated.items()])
        self._put_pii(verdict.pii)
        sessions = [
            (s.id, s.profile_id, s.inserted, s.updated, reencode(s.context_json), reencode(s.properties_json))
            for s in verdict.sessions.values()
        ]
        INSERT_SESSIONS.run(db, [row for row in sessions if row[0] not in session_ids])
        UPDATE_SESSIONS.run(db, [row for row in sessions if row[0] in session_ids])

    def _put_pii(self, values: Mapping[str, PiiValues]) -> None:
        if values:
            self._db.run(DELETE_PII, [[*values]])
        PUT_PII.run(self._db, [(name, value, key) for key, pairs in values.items() for name, value in pairs])

    def _use(self, places: int) -> None:
        self._places += places
        if self._places >= MAX_PLACES:
            raise StoreError(f"a batch has more than {MAX_PLACES:,} events")

    def close(self) -> None:
        self._db.close()
