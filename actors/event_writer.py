"""Group commit: everything that arrives while one batch commits is the next batch."""

import itertools
import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from trackd.actors.base import RETRY_AFTER_S, BaseActor, Handler
from trackd.actors.messages import (
    Administer,
    Administered,
    BatchCommitted,
    Commit,
    CommitsFinished,
    Delete,
    Deleted,
    Reason,
    Refused,
    Tick,
    WriteRefusals,
)
from trackd.core.changes import Changes, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult

log = logging.getLogger(__name__)

Queued = Commit | Administer | WriteRefusals
Finished = tuple[Queued | Delete, Outcome]

# Bound the time of a commit, for which the next call waits, and the memory that a batch takes on its way.
MAX_BATCH_CALLS = 1_000
MAX_BATCH_BYTES = 8 * 2**20  # of the documents that the profiles of the calls hold

HELD = attrgetter("held")
TIME_OF_OTHERS, TIME_BESIDE_URGENT = 3.0, 1.0  # for each second of a deletion, while other changes wait


class EventWriter(BaseActor):
    """Queues changes and commits them in batches.

    A commit that is not stored cascades: the queued commits that depend on it get its outcome and are not tried. A
    deletion is a batch of its own. While other changes wait, deletions get a quarter of the time,
    urgent ones half of it.
    """

    def wired(self) -> None:
        self._queue: list[Queued] = []
        self._deletions: list[Delete] = []
        self._next_deletion = 0.0  # the monotonic time until which other changes go first
        self._batch: Sequence[Queued | Delete] | None = None  # under way
        self._writable = True
        self._is_slow = False  # the commit under way, after it was reported
        self._misplaced: StoreError | None = None  # commits would be lost
        self._committed_at = self.wiring.dependencies.monotonic()  # the end of the last commit

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {
            Commit: cls._enqueue,
            Administer: cls._enqueue,
            WriteRefusals: cls._enqueue,
            Delete: cls._enqueue_deletion,
            BatchCommitted: cls._batch_committed,
            Tick: cls._tick,
        }

    def _enqueue(self, message: Queued) -> None:
        self._queue.append(message)
        if self._batch is None:
            self._begin_commits()

    def _enqueue_deletion(self, deletion: Delete) -> None:
        self._deletions.append(deletion)
        self._begin_commits()

    def _batch_committed(self, committed: BatchCommitted) -> None:
        self._finish(committed.result)
        self._begin_commits()

    def _begin_commits(self) -> None:
        """Begin to commit the next batch, if none is under way; more than one only if it cannot be submitted."""
        monotonic = self.wiring.dependencies.monotonic
        while self._batch is None and (self._queue or self._deletions):
            if self._deletions and (not self._queue or monotonic() >= self._next_deletion):
                self._submit([self._deletions.pop(0)])
            else:
                length = _length_of_batch(self._queue)
                batch, self._queue = self._queue[:length], self._queue[length:]
                self._submit(batch)

    def _tick(self, _: Tick) -> None:
        self._watch()
        if self._writable and (refusals := self.wiring.dependencies.refusals.change()):
            self._enqueue(WriteRefusals(refusals))

    def _watch(self) -> None:
        """Notice a store that fails or hangs, and one that works again: calls may no longer arrive to try it."""
        is_observed = self.wiring.dependencies.frontend.is_observed()
        try:
            self.wiring.dependencies.reads.check()
            self._misplaced = None
        except StoreError as error:
            if self._misplaced is None and self._batch is None:
                self._submit([])  # the writer saves what it can
            self._misplaced = error
            self._report_health(error)
            return
        if self._batch is not None:
            self._report_slow_commit()
        elif not self._writable or (is_observed and self._is_idle()):
            self._submit([])

    def _is_idle(self) -> bool:
        dependencies = self.wiring.dependencies
        return dependencies.monotonic() - self._committed_at >= dependencies.limits.slow_commit_s

    def _report_slow_commit(self) -> None:
        """A commit that hangs has no result, and so no error to report."""
        dependencies, limits = self.wiring.dependencies, self.wiring.dependencies.limits
        began = dependencies.tally.commit_began
        if self._writable and began is not None and dependencies.monotonic() - began > limits.slow_commit_s:
            log.error(
                "a commit has been under way for more than %d s, the disk or the writer process hangs: the server is "
                "not ready until it ends, and calls that wait for it for %d s are answered 503",
                limits.slow_commit_s,
                limits.call_timeout_s,
            )
            self._is_slow = True
            self._set_writable(False)

    def _submit(self, batch: Sequence[Queued | Delete]) -> None:
        """Begin to commit a batch; an empty one is a heartbeat."""
        self._batch = batch
        if self._misplaced is not None:
            self._finish(BatchResult(error=self._misplaced))
            return
        self.wiring.dependencies.tally.commit_began = self.wiring.dependencies.monotonic()
        try:
            self.wiring.dependencies.submit([message.change for message in batch])
        except Exception as error:
            why = error if isinstance(error, StoreError) else type(error).__name__
            self._finish(BatchResult(error=StoreError(f"the writer takes nothing: {why}")))

    def _finish(self, result: BatchResult) -> None:
        batch, self._batch = self._batch or [], None
        self._committed_at, self.wiring.dependencies.tally.commit_began = self.wiring.dependencies.monotonic(), None
        if result.error is None and len(result.outcomes) != len(batch):
            result = BatchResult(error=StoreError(f"{len(result.outcomes)} outcomes for {len(batch)} calls"))
        self._count(result, batch)
        outcomes: Sequence[Outcome] = [Outcome.FAILED] * len(batch) if result.error else result.outcomes
        finished: list[Finished] = list(zip(batch, outcomes, strict=True))
        if outcomes.count(Outcome.STORED) < len(batch):
            finished += self._cascade(finished)
        commits: list[Any] = finished
        if set(map(type, batch)) != {Commit}:  # rare
            commits = [each for each in finished if isinstance(each[0], Commit)]
        if commits:
            self.send(self.wiring.directory, CommitsFinished(commits))
        if len(commits) < len(finished):
            self._finish_others(finished, result)
        if not (result.error and _is_of_refusals(batch)):  # those that cannot be written are no reason to refuse calls
            self._report_health(result.error or self._misplaced)

    def _cascade(self, finished: Sequence[Finished]) -> list[Finished]:
        """Remove the commits from the queue that depend on one that is not stored. They get its outcome."""
        not_stored: dict[str | None, Outcome] = {
            _profile_id(message): outcome for message, outcome in reversed(finished) if outcome is not Outcome.STORED
        }
        if Outcome.UNREADABLE in not_stored.values():
            self.wiring.dependencies.reads.check_damage()
        removed: list[Finished] = []
        kept: list[Queued] = []
        for message in self._queue:
            outcome = _outcome_of_dependency(message, not_stored)
            if outcome is None:
                kept.append(message)
            else:
                removed.append((message, outcome))
                not_stored.setdefault(_profile_id(message), outcome)
        self._queue = kept
        return removed

    def _count(self, result: BatchResult, batch: Sequence[Queued | Delete]) -> None:
        tally = self.wiring.dependencies.tally
        if batch and not isinstance(batch[0], Delete | WriteRefusals):  # no heartbeat, no deletion
            tally.batch_calls.observe(len(batch))
        if result.seconds is not None:
            tally.commit_seconds.observe(result.seconds)
        tally.store_reconnects["writer"] += result.reconnects
        if result.error is not None:
            tally.failed_commits += 1

    def _finish_others(self, finished: Sequence[Finished], result: BatchResult) -> None:
        """Answer administrators, and report the step of a deletion."""
        if any(isinstance(message, Administer) for message, _ in finished):
            self.wiring.dependencies.reads.expire()
            self.send(self.wiring.source_auth, Tick())  # it reads the sources before the answers are handed over
        for message, outcome in finished:
            if isinstance(message, Delete):
                seconds = result.seconds or 0.0
                others = TIME_BESIDE_URGENT if message.is_urgent else TIME_OF_OTHERS
                self._next_deletion = self.wiring.dependencies.monotonic() + others * seconds
                self.send(self.wiring.housekeeper, Deleted(message.change, outcome, result.swept, seconds))
            elif isinstance(message, WriteRefusals):
                if outcome is not Outcome.STORED:
                    self.wiring.dependencies.refusals.not_written(message.change)
            elif isinstance(message, Administer):
                if outcome in (Outcome.STORED, Outcome.STALE):
                    self.answer(Administered(message.number, stale=outcome is Outcome.STALE))
                else:
                    self.answer(Refused(message.number, Reason.STORE_FAILED, RETRY_AFTER_S))

    def _report_health(self, error: StoreError | None) -> None:
        """Log and report when the store begins to fail and when it works again, not for each commit."""
        is_news, self._is_slow = self._writable or self._is_slow, False
        if error is not None and is_news:
            log.error("the store does not take writes, calls are answered 503: %s", error)
        elif error is None and not self._writable:
            log.info("the store takes writes again")
        if self._writable != (error is None):
            self._set_writable(error is None)

    def _set_writable(self, writable: bool) -> None:
        self._writable = writable
        self.wiring.dependencies.frontend.store_writable(writable)


def _length_of_batch(queue: Sequence[Queued]) -> int:
    """How many of the messages are the next batch: at least one."""
    totals = itertools.accumulate(map(HELD, itertools.islice(queue, MAX_BATCH_CALLS)))
    return max(1, bisect_right([*totals], MAX_BATCH_BYTES))


def _is_of_refusals(batch: Sequence[Queued | Delete]) -> bool:
    return bool(batch) and all(isinstance(message, WriteRefusals) for message in batch)


def _profile_id(message: Queued | Delete) -> str | None:
    return message.change.fence.profile_id if isinstance(message, Commit) else None


def _outcome_of_dependency(message: Queued, not_stored: Mapping[str | None, Outcome]) -> Outcome | None:
    """The outcome of the commit that this one depends on; None if that is stored or there is none.

    A commit depends on the commits of its profile before it, and on those of the profile that its session comes from.
    """
    if not isinstance(message, Commit):
        return None
    change = message.change
    previous_owner = change.previous_owner if isinstance(change, Changes) else None
    return not_stored.get(change.fence.profile_id) or (not_stored.get(previous_owner) if previous_owner else None)
