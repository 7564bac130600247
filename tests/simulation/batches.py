"""The ends of batches: how much of each is written, and the outcomes that the nodes get."""

from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from tests.simulation.disk import Disk
from tests.simulation.node import Node
from tests.simulation.referee import Referee
from tests.simulation.steps import Commit
from tests.simulation.violation import check
from trackd.core.changes import Change, Changes, Erasure, Outcome
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.storage.errors import StoreError
from trackd.storage.store import Store
from trackd.storage.writer import BatchResult

STEP_ROWS = 3  # so few that a deletion takes many steps
COMMIT_S = 0.001  # a commit takes as long each time: deletions wait in proportion
FAILED = BatchResult(error=StoreError("the disk is full"))


class Batches:
    """Ends the batches of all nodes on a disk, and reports each write to the referee."""

    def __init__(self, disk: Disk, referee: Referee) -> None:
        self._disk = disk
        self._referee = referee
        self._in_doubt: deque[tuple[Node, Sequence[Change]]] = deque()

    def end(self, node: Node, step: Commit) -> None:
        """End the batch of a node, or tell the node the outcome of the one that has ended."""
        if node.unreported is None:
            node.unreported = self._result(node, step)
            if step.reported_late:
                return
        result, node.unreported = node.unreported, None
        node.failed_commits += _is_failed(result)
        self._referee.note_decisions(node)
        node.finish(result)

    def _result(self, node: Node, step: Commit) -> BatchResult:
        batch = [_with_small_steps(change) for change in node.batches.popleft()]
        match step.how:
            case "stored":
                return self.write(node, batch)
            case "failed":
                return FAILED
            case "unreported":
                node.failed_commits += 1
                self.write(node, batch, may_be_refused=True)
                return FAILED
            case "doubtful":
                self.doubt(node, batch)
                return FAILED
        node.failed_commits += 1
        return BatchResult(self._write_partially(node, batch, step.place % len(batch) if batch else 0))

    def doubt(self, node: Node, batch: Sequence[Change]) -> None:
        """The node does not get the outcome: nothing is written before `land`."""
        self._referee.note_doubt(node)
        if lands := [change for change in batch if isinstance(change, Changes | Erasure)]:
            self._in_doubt.append((node, lands))

    def land(self, store: Store) -> bool:
        """Write the oldest batch in doubt through this store; returns whether there is one."""
        if not self._in_doubt:
            return False
        node, batch = self._in_doubt.popleft()
        self.write(node, batch, may_be_refused=True, late_through=store)
        return True

    def write(
        self, node: Node, batch: Sequence[Change], *, may_be_refused: bool = False, late_through: Store | None = None
    ) -> BatchResult:
        result = replace(self._disk.commit(late_through or node.store, node.claimant, batch), seconds=COMMIT_S)
        self._disk.note_commit()
        check(result.error is None, f"the store failed: {result.error}")
        for change, outcome in zip(batch, result.outcomes, strict=True):
            is_late = late_through is not None
            self._referee.written(node, change, outcome, may_be_refused=may_be_refused, is_late=is_late)
        return result

    def _write_partially(self, node: Node, batch: Sequence[Change], partial: int) -> list[Outcome]:
        """As SqliteStore does when a row cannot be stored: changes that depend on it are stale."""
        outcomes: list[Outcome] = []
        not_stored: set[str] = set()
        for place, change in enumerate(batch):
            profile_id = change.fence.profile_id if isinstance(change, Changes | Erasure) else None
            if place == partial:
                outcomes.append(Outcome.FAILED)
            elif profile_id in not_stored:
                outcomes.append(Outcome.STALE)
            else:
                outcomes += self.write(node, [change]).outcomes
            if outcomes[-1] is not Outcome.STORED and profile_id is not None:
                not_stored.add(profile_id)
        self._referee.contention.note_write()
        return outcomes


def _is_failed(result: BatchResult) -> bool:
    return result.error is not None or Outcome.FAILED in result.outcomes


def _with_small_steps(change: Change) -> Change:
    return replace(change, limit=STEP_ROWS) if isinstance(change, DeleteEvents | DeleteSessions) else change
