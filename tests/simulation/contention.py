"""What may make the calls of a node stale: the referee accepts that they are refused only after it."""

from typing import NamedTuple

from tests.simulation.claims import CLAIM_MS


class State(NamedTuple):
    """How many writes of others a node may not know, and the time in milliseconds."""

    foreign_writes: int
    milliseconds: int


class Contention:
    def __init__(self, nodes: int) -> None:
        self.is_shared = nodes > 1
        """Whether a node may not know what is stored."""
        self.milliseconds = 0
        self._foreign_writes = [0] * nodes
        self._claims_end = -1

    def state(self, node: int) -> State:
        return State(self._foreign_writes[node], self.milliseconds)

    def note_write(self, by: int | None = None) -> None:
        """A write of node `by` can make calls of all other nodes stale; without `by` calls of all nodes."""
        self._foreign_writes = [count + (number != by) for number, count in enumerate(self._foreign_writes)]

    def note_claim(self) -> None:
        """The node of a stale change may have claimed its profile."""
        self._claims_end = self.milliseconds + CLAIM_MS

    def has_met(self, node: int, since: State) -> bool:
        """Whether a call that the node has had since then may have been stale."""
        return self._foreign_writes[node] > since.foreign_writes or self._claims_end >= since.milliseconds
