"""Many calls in one transaction: whatever arrives while one batch commits is the next batch."""

import logging
from collections.abc import Mapping, Sequence

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
    StoreHealth,
    Tick,
)
from trackd.core.changes import Change, Changes, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult

log = logging.getLogger(__name__)

Waiting = Commit | Administer

# Bounds how long the next call waits for its turn: about 0.1 s of writing.
MAX_BATCH_CALLS = 1_000


class EventWriter(BaseActor):
    """Knows what waits for the disk. When a commit fails, what was built on it fails with it.

    Deletions are nobody's call: each has a batch of its own, and only when no call waits.
    """

    def wired(self) -> None:
        self._waiting: list[Waiting] = []
        self._deletions: list[Delete] = []
        self._committing: list[Waiting | Delete] | None = None
        self._writable = True

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {
            Commit: cls._enqueue,
            Administer: cls._enqueue,
            Delete: cls._defer,
            BatchCommitted: cls._committed,
            Tick: cls._try_again,
        }

    def _enqueue(self, message: Waiting) -> None:
        self._waiting.append(message)
        self._submit()

    def _defer(self, deletion: Delete) -> None:
        self._deletions.append(deletion)
        self._submit()

    def _committed(self, committed: BatchCommitted) -> None:
        self._settle(committed.result)
        self._submit()

    def _submit(self) -> None:
        while self._committing is None and (self._waiting or self._deletions):
            if self._waiting:
                self._committing = [*self._waiting[:MAX_BATCH_CALLS]]
                self._waiting = self._waiting[MAX_BATCH_CALLS:]
            else:
                self._committing = [self._deletions.pop(0)]
            self._hand_over()

    def _try_again(self, _: Tick) -> None:
        """A store that failed gets no calls once /ready says so: a heartbeat finds out when it is well."""
        if not self._writable and self._committing is None:
            self._committing = []
            self._hand_over()

    def _hand_over(self) -> None:
        try:
            self.wiring.dependencies.submit([_change(message) for message in self._committing or ()])
        except Exception as error:
            self._settle(BatchResult(error=StoreError(f"the writer takes nothing: {error}")))

    def _settle(self, result: BatchResult) -> None:
        batch, self._committing = self._committing or [], None
        if result.error is None and len(result.outcomes) != len(batch):
            result = BatchResult(error=StoreError(f"{len(result.outcomes)} outcomes for {len(batch)} calls"))
        self._count(result, batch)
        outcomes: Sequence[Outcome] = [Outcome.FAILED] * len(batch) if result.error else result.outcomes
        ended = list(zip(batch, outcomes, strict=True))
        undone: dict[str | None, Outcome] = {
            _profile_id(message): outcome for message, outcome in reversed(ended) if outcome is not Outcome.STORED
        }
        if undone:
            ended += self._taken_out(undone)
        settled = tuple([(message, outcome) for message, outcome in ended if isinstance(message, Commit)])
        if settled:
            self.send(self.wiring.directory, CommitsFinished(settled))
        self._answer_administration(ended)
        for message, outcome in ended:
            if isinstance(message, Delete):
                self.send(self.wiring.housekeeper, Deleted(message.step, outcome))
        self._note_health(result.error)

    def _taken_out(self, undone: dict[str | None, Outcome]) -> list[tuple[Waiting | Delete, Outcome]]:
        """What waits and was built on a profile that is undone, or on what is taken out before it."""
        taken_out: list[tuple[Waiting | Delete, Outcome]] = []
        left: list[Waiting] = []
        for message in self._waiting:
            outcome = _undone_with(message, undone)
            if outcome is None:
                left.append(message)
            else:
                taken_out.append((message, outcome))
                undone.setdefault(_profile_id(message), outcome)
        self._waiting = left
        return taken_out

    def _count(self, result: BatchResult, batch: Sequence[Waiting | Delete]) -> None:
        tally = self.wiring.dependencies.tally
        if batch and not isinstance(batch[0], Delete):  # neither a heartbeat nor a deletion, which is alone
            tally.batch_calls.observe(len(batch))
        if result.seconds is not None:
            tally.commit_seconds.observe(result.seconds)
        if result.error is not None:
            tally.failed_commits += 1

    def _answer_administration(self, ended: Sequence[tuple[Waiting | Delete, Outcome]]) -> None:
        administered = [(message, outcome) for message, outcome in ended if isinstance(message, Administer)]
        if not administered:
            return
        self.send(self.wiring.source_auth, Tick())  # a source is in force when it is answered
        for message, outcome in administered:
            failed = outcome is not Outcome.STORED
            refused = Refused(message.number, Reason.STORE_FAILED, RETRY_AFTER_S)
            self.answer(refused if failed else Administered(message.number))

    def _note_health(self, error: StoreError | None) -> None:
        """One line when the store begins to fail and one when it is well again, however many calls are refused."""
        writable = error is None
        if writable != self._writable:
            if error:
                log.error("the store does not take writes, calls are answered 503: %s", error)
            else:
                log.info("the store takes writes again")
            self._writable = writable
            self.send(self.wiring.guardian, StoreHealth(writable))


def _change(message: Waiting | Delete) -> Change:
    match message:
        case Commit():
            return message.changes
        case Administer():
            return message.change
        case Delete():
            return message.step


def _profile_id(message: Waiting | Delete) -> str | None:
    return message.changes.fence.profile_id if isinstance(message, Commit) else None


def _undone_with(message: Waiting, undone: Mapping[str | None, Outcome]) -> Outcome | None:
    """A call that takes a session from a profile is built on that profile too: on whether it lives."""
    if not isinstance(message, Commit):
        return None
    changes = message.changes
    came_from = changes.previous_owner if isinstance(changes, Changes) else None
    return undone.get(changes.fence.profile_id) or (undone.get(came_from) if came_from is not None else None)
