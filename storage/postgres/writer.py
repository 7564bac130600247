"""Commits batches of changes to a PostgreSQL database: one connection, one transaction for each batch, fixed SQL."""

import contextlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from typing import cast

import psycopg

from trackd.core.changes import Administration, Change, Changes, Erasure, Outcome
from trackd.core.jobs import AddJob, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, UseLink
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Deletion, PutRetentionStop, Swept
from trackd.core.source_changes import AddSource, EditSource, RemoveSource
from trackd.core.token_changes import PutTokenUse
from trackd.storage.errors import StoreError
from trackd.storage.fence import commit_one_by_one, write_in_order
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
from trackd.storage.postgres.calls import UNEXPECTED, expected_writes, write_locked
from trackd.storage.postgres.connection import (
    CORRUPTED,
    READ_ONLY,
    RUN_AGAIN,
    code_of,
    is_of_one_change,
    reason_of,
)
from trackd.storage.postgres.erasure import erase
from trackd.storage.postgres.numbers import MAX_PLACES
from trackd.storage.postgres.refusals import put_refusals
from trackd.storage.postgres.retention import Retention
from trackd.storage.postgres.writing import WritingConnection
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

RUNS = 10  # of a batch whose rows other nodes write at the same time
HEARTBEAT = "UPDATE heartbeat SET beats = beats + 1"


class PostgresWriter:
    """The committing half of `PostgresStore`. Used by one thread at a time."""

    def __init__(self, connection: WritingConnection) -> None:
        self._db = connection
        self._retention = Retention()
        self._node = secrets.randbits(62)
        self._limited_log = RateLimitedLog()
        self._expects_no_stale = True  # in the next batch
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
                if not is_stale_connection and (code_of(error) not in (*RUN_AGAIN, UNEXPECTED) or run == RUNS - 1):
                    raise
                self._expects_no_stale = False
        raise AssertionError("unreachable")

    def _commit_together(self, batch: Sequence[Change]) -> list[Outcome]:
        are_calls = all(type(change) is Changes for change in batch)  # nothing depends on the results of their writes
        if batch and are_calls and self._expects_no_stale:
            outcomes = self._commit_expected(cast(Sequence[Changes], batch))
            if outcomes is not None:
                return outcomes
        with self._transaction(pipelined=are_calls):
            outcomes = write_in_order(batch, self._write_calls, self._write_other)
            if not batch:
                self._db.run(HEARTBEAT)
        self._expects_no_stale = Outcome.STALE not in outcomes
        return outcomes

    def _commit_expected(self, calls: Sequence[Changes]) -> list[Outcome] | None:
        """Commit calls whose fences all match, as nearly always; None when one does not."""
        expected = expected_writes(calls)
        if expected is None:
            return None
        try:
            with self._transaction(pipelined=True):
                self._use(expected.put(self._db, self._node))
        except psycopg.Error as error:
            if code_of(error) != UNEXPECTED:
                raise
            return None
        return expected.outcomes

    @contextlib.contextmanager
    def _transaction(self, *, pipelined: bool) -> Iterator[None]:
        """Commit at the end of the block, or roll back and raise."""
        progress, self.swept = self._retention.progress, None
        self._places, self._committing = 0, False
        try:
            with self._db.transaction(pipelined=pipelined):
                self._db.begin()
                yield
                self._committing = True
                self._db.run("COMMIT")
        except BaseException as error:
            self._retention.progress = progress
            self._db.roll_back()
            if code_of(error) == READ_ONLY:  # after a failover another one of the URL's hosts takes commits
                self._db.close()
            raise

    def _write_calls(self, calls: Sequence[Changes], stale: set[str]) -> list[Outcome]:
        outcomes, places = write_locked(self._db, calls, stale, self._node, self._places)
        self._use(places)
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

    def _use(self, places: int) -> None:
        self._places += places
        if self._places >= MAX_PLACES:
            raise OverflowError(f"a batch has more than {MAX_PLACES:,} events")  # its changes are committed one by one

    def close(self) -> None:
        self._db.close()
