"""Commits batches of changes to an SQLite file: one connection, fixed SQL."""

import logging
from collections.abc import Mapping, Sequence, Set

import apsw
from msgspec.json import Decoder

from trackd.core.changes import Administration, Change, Changes, Erasure, Outcome
from trackd.core.documents import tombstone
from trackd.core.encoding import reencode
from trackd.core.jobs import AddJob, JobState, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, UseLink
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, PutRetentionStop, Swept
from trackd.core.source_changes import AddSource, EditSource, RemoveSource
from trackd.core.token_changes import PutTokenUse
from trackd.storage.errors import StoreError
from trackd.storage.fence import Verdict, commit_one_by_one, derived_ids, judge, profile_ids, write_in_order
from trackd.storage.sqlite import event_chain
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.change_errors import ERRORS_OF_ONE_CHANGE, is_of_one_change
from trackd.storage.sqlite.checkpointer import checkpoint, reason_of
from trackd.storage.sqlite.connection import (
    FAILED_SYNCS,
    Connection,
    DiskFailureError,
    extended_code,
    keep_log_at_close,
    transaction,
)
from trackd.storage.sqlite.erasure import erase
from trackd.storage.sqlite.job_rows import add_job, put_job
from trackd.storage.sqlite.logins import put_login
from trackd.storage.sqlite.opened_files import MisplacedError, OpenedFiles
from trackd.storage.sqlite.pii_index import put_pii
from trackd.storage.sqlite.refusals import put_refusals
from trackd.storage.sqlite.retention import Retention
from trackd.storage.sqlite.retention_stop import put_stop
from trackd.storage.sqlite.source_rows import add_source, edit_source, remove_source
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

# One row with lists in JSON: each row that Python fetches takes the interpreter once more.
STORED_STATES = f"""
SELECT (SELECT json_group_array(json_array(id, seq, revision, last_event)) FROM profile
        WHERE id IN (SELECT value FROM json_each(:profiles))),
       (SELECT json_group_array(json_array(id, profile_id, updated)) FROM session
        WHERE id IN (SELECT value FROM json_each(:sessions))),
       ({event_chain.LAST_NUMBER})
"""
PUT_PROFILES = BulkInsert(
    "profile",
    ("id", "seq", "revision", "doc", "last_event", "remembered"),
    "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, revision = excluded.revision, doc = excluded.doc,"
    " last_event = excluded.last_event, remembered = excluded.remembered",
)
PUT_SESSIONS = BulkInsert(
    "session",
    ("id", "profile_id", "inserted", "updated", "context", "properties"),
    "ON CONFLICT (id) DO UPDATE SET profile_id = excluded.profile_id, updated = excluded.updated,"
    " context = excluded.context, properties = excluded.properties",
)
PUT_EVENTS = BulkInsert("event", event_chain.COLUMNS)
PUT_EVENT_IDS = BulkInsert("event_id", ("profile_id", "id", "seq"))
TOMBSTONE = "SELECT 1 FROM erased WHERE hash = ?"
SET_REEVALUATED = "UPDATE profile SET reevaluated = ? WHERE id = ?"
SET_USED = "UPDATE token SET used = ? WHERE hash = ?"
JSON = Decoder()
HEARTBEAT = "UPDATE heartbeat SET beats = beats + 1"

LASTING = (Erasure, AddSource, EditSource, RemoveSource, AddJob, PutJob)


class SqliteWriter:
    """The committing half of `SqliteStore`. Used by one thread at a time; owns the connection.

    `files` are those that the connection has open, `synchronous` is its setting. Erasures and administration are
    committed with FULL in any case: what was answered about them may not become untrue when power is lost.
    """

    def __init__(self, connection: Connection, files: OpenedFiles, synchronous: str = "FULL") -> None:
        self._db = connection
        self._files = files
        self._synchronous = synchronous
        self._disk_failed = False
        self._retention = Retention()
        self._limited_log = RateLimitedLog()
        self.has_deleted = False
        """Whether rows with personal data were deleted; the log then still has copies. Reset by the caller."""
        self.swept: Swept | None = None
        """See `Store.swept`."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """See `Store.commit`. Fails also when the files are no longer at their paths: then a part may be committed.

        Raises DiskFailureError when an fsync failed: no other commit may follow.
        """
        if self._files.is_overwritten():  # its log would belong to the other file
            self._files.check()
        outcomes = self._commit(batch)
        try:
            self._files.check()
        except MisplacedError:
            if self._files.has_own_database() and not self._files.has_own_log():
                self._copy_log(apsw.SQLITE_CHECKPOINT_PASSIVE)  # a kill from now on loses nothing
            raise
        return outcomes

    def _commit(self, batch: Sequence[Change]) -> list[Outcome]:
        try:
            if self._synchronous == "NORMAL" and any(isinstance(change, LASTING) for change in batch):
                return self._commit_with_full(batch)
            return self._commit_together(batch)
        except (*ERRORS_OF_ONE_CHANGE, apsw.Error) as error:
            if not is_of_one_change(error):
                failure, others = self._failure(error), [each for each in batch if not isinstance(each, PutRefusals)]
                if isinstance(failure, DiskFailureError) or len(others) in (0, len(batch)):
                    raise failure from error
                outcomes = iter(self._commit(others))
                return [Outcome.FAILED if isinstance(each, PutRefusals) else next(outcomes) for each in batch]
            if len(batch) > 1:
                return commit_one_by_one(batch, self._commit_alone)
            if not batch:
                raise StoreError(f"cannot write: {error}") from error
            if (number := self._limited_log.due(type(error).__name__)) is not None:
                fault = error if isinstance(error, apsw.Error) else type(error).__name__
                log.error("a change cannot be stored: %s (%d since the last such line)", fault, number)
            return [Outcome.UNREADABLE if isinstance(error, apsw.CorruptError) else Outcome.FAILED]

    def _failure(self, error: Exception) -> StoreError:
        if isinstance(error, apsw.Error) and extended_code(error) in FAILED_SYNCS:
            self._disk_failed = True
            return DiskFailureError(f"a commit failed, {reason_of(error)}")
        return StoreError(f"cannot commit: {error}")

    def _commit_with_full(self, batch: Sequence[Change]) -> list[Outcome]:
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            return self._commit_together(batch)
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    def _commit_together(self, batch: Sequence[Change]) -> list[Outcome]:
        progress, self.swept = self._retention.progress, None
        try:
            with transaction(self._db):
                outcomes = write_in_order(batch, self._write_calls, self._write_other)
                if not batch:
                    self._db.execute(HEARTBEAT)
        except BaseException:
            self._retention.progress = progress
            raise
        return outcomes

    def _commit_alone(self, change: Change) -> Outcome:
        try:
            return self._commit([change])[0]
        except DiskFailureError:
            raise
        except StoreError as error:
            log.error("a change was not stored: %s", error)
            return Outcome.FAILED

    def _write_other(self, change: Administration | Deletion) -> Outcome:
        rows_before = self._db.total_changes()
        outcome = self._write_one(change)
        if _deletes(change) and self._db.total_changes() > rows_before:
            self.has_deleted = True
        return outcome

    def _write_one(self, change: Administration | Deletion) -> Outcome:
        match change:
            case Erasure():
                return erase(self._db, change)
            case AddJob():
                is_written = add_job(self._db, change) > 0
            case PutJob():
                is_written = put_job(self._db, change)
            case PutTokenUse():
                self._db.execute(SET_USED, (change.used, change.hash))
                is_written = self._db.changes() > 0
            case AddLogin() | UseLink() | EndLogin():
                is_written = put_login(self._db, change)
            case AddSource():
                is_written = add_source(self._db, change.source)
            case EditSource():
                is_written = edit_source(self._db, change) is not None
            case RemoveSource():
                is_written = remove_source(self._db, change.source_id)
            case DeleteEvents() | DeleteSessions():
                outcome, self.swept = self._retention.delete(self._db, change)
                return outcome
            case PutRetentionStop():
                is_written = put_stop(self._db, change)
            case PutRefusals():
                is_written = put_refusals(self._db, change)
        return Outcome.STORED if is_written else Outcome.STALE

    def _write_calls(self, calls: Sequence[Changes], stale: set[str]) -> list[Outcome]:
        states_of = reencode(list(profile_ids(calls)))
        session_ids = reencode(list({changes.session.id for changes in calls if changes.session}))
        row = next(self._db.execute(STORED_STATES, {"profiles": states_of, "sessions": session_ids}))
        profiles, sessions = JSON.decode(row[0]), JSON.decode(row[1])
        verdict = judge(
            calls,
            {key: (seq, revision) for key, seq, revision, _ in profiles},
            {key: (profile_id, updated) for key, profile_id, updated in sessions},
            stale,
            self._erased(derived_ids(calls)),
        )
        self._put(verdict, {key: last_event for key, _, _, last_event in profiles}, row[2])
        return verdict.outcomes

    def _erased(self, profile_ids: Set[str]) -> Set[str]:
        return {key for key in profile_ids if self._db.execute(TOMBSTONE, (tombstone(key),)).get}

    def _put(self, verdict: Verdict, last_events: Mapping[str, int | None], last_number: int) -> None:
        events, last_events = event_chain.chained(verdict.events, last_events, last_number)
        PUT_EVENTS.run(self._db, events)
        PUT_EVENT_IDS.run(self._db, verdict.event_ids)
        PUT_PROFILES.run(
            self._db,
            [
                (p.id, p.seq, p.revision, reencode(p.doc_json), last_events.get(p.id), p.memo)
                for p in verdict.profiles.values()
            ],
        )
        for profile_id, time in verdict.reevaluated.items():
            self._db.execute(SET_REEVALUATED, (time, profile_id))
        if verdict.pii:
            put_pii(self._db, verdict.pii)
        PUT_SESSIONS.run(
            self._db,
            [
                (s.id, s.profile_id, s.inserted, s.updated, reencode(s.context_json), reencode(s.properties_json))
                for s in verdict.sessions.values()
            ],
        )

    def close(self) -> bool:
        """Copy the write-ahead log into the file, and close the connection.

        Returns False when the disk prevents it: then the log stays, and no other connection may copy it either. Raises
        StoreError when the committed changes are not in the file at its path then.
        """
        try:
            where = self._files.where_changes_are() if self._files.is_overwritten() else None
            is_copied = where is None and self._copy_log()
            has_file, has_log = self._files.has_own_database(), self._files.has_own_log()
            # SQLite deletes what is at the path of the log, perhaps that of another file.
            keep_log_at_close(self._db, self._disk_failed or not has_log or where is not None)
        finally:
            self._db.close()
        if where is not None or not has_file or not (is_copied or has_log):
            raise StoreError(where or self._files.where_changes_are())
        return not self._disk_failed

    def _copy_log(self, mode: int = apsw.SQLITE_CHECKPOINT_TRUNCATE) -> bool:
        """Returns whether the log is copied to its end."""
        if self._disk_failed:
            return False
        try:
            return checkpoint(self._db, mode)
        except apsw.ConnectionClosedError:  # closed before
            return True
        except (DiskFailureError, apsw.Error) as error:  # the latter for example on a full disk: not yet the last try
            self._disk_failed = mode == apsw.SQLITE_CHECKPOINT_TRUNCATE or isinstance(error, DiskFailureError)
            log.warning("the write-ahead log stays beside the file and belongs to it, it cannot be copied: %s", error)
            return False

    def close_and_keep_log(self) -> None:
        """Close the connection; the log stays beside the file, as `keep_log_at_close` demands."""
        self._db.close()


def _deletes(change: Administration | Deletion) -> bool:
    """Whether it deletes personal data; a job that ends loses its arguments."""
    if isinstance(change, PutJob):
        return change.job.state is not JobState.OPEN
    return isinstance(change, Erasure | DeleteEvents | DeleteSessions)
