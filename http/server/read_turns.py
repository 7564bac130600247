"""When connections handle what has arrived: a few in each round of the event loop.

The loop reads from all connections that have something, up to a thousand in a round. If all of it were handled at once,
a round would take so many calls, and a client waits for several rounds: until it is accepted, read, and answered.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from trackd.http.clients import Peer
from trackd.http.fair_queue import FairQueue

MAX_TOGETHER = 32
MIN_SLOW = 2  # besides, however many others wait
UNITS = 1_000_000  # of work, see core/work.py: a call that takes much counts as so many more


class Kind(Enum):
    """The kinds of connections that wait for their turn."""

    OLD = auto()  # had a request before
    NEW = auto()
    SLOW = auto()  # sends a request in many small pieces


class ReadTurns:
    """One for all connections of a server, and one for their pipelines: requests that wait for the one before them.

    Old connections come first, but new ones, which may be thousands, have half of the turns if they need them. Slow
    ones have few beside others: a hundred of them would take most of the turns. The clients of each kind take turns.
    """

    def __init__(self, max_together: int = MAX_TOGETHER) -> None:
        self._max_together = max_together  # in a round
        self._begun = 0  # in this round, at once
        self._worked = 0  # in this round, in turns
        self._is_turn_of_new = False  # a long call ended the round before
        self._waiting = {kind: FairQueue[Callable[[], None]]() for kind in Kind}
        self._has_waiting = self._is_scheduled = self._has_ended = False

    def is_free(self) -> bool:
        """Whether a connection may handle at once what has arrived. Otherwise it has to wait for its turn."""
        self._begun += 1
        if not self._is_scheduled:
            self._schedule()  # the end of this round
        return (self._begun <= self._max_together and not self._has_waiting) or self._has_ended

    def add(self, handle: Callable[[], None], client: Peer | None, kind: Kind = Kind.OLD) -> None:
        """Let a connection wait for its turn. `handle` handles what has arrived, if it is still open by then."""
        self._waiting[kind].add(client[0] if client else "", handle)
        self._has_waiting = True
        self._schedule()

    def end(self) -> None:
        """All that wait have their turn now, and from now on all connections are free: the server stops."""
        self._has_ended = True
        while any(self._waiting.values()):
            self._begin()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)

    def add_work(self, units: int) -> None:
        """Count the work of a call: one that takes long ends the round, and others have their turn in the next one."""
        self._begun += units // UNITS
        self._worked += units // UNITS

    def _begin(self) -> None:
        """Begin a round: those that wait have their turns."""
        self._is_scheduled = False
        self._begun = self._worked = 0
        if not self._has_waiting:
            return
        turns = self._turns()
        self._has_waiting = sum(map(len, self._waiting.values())) > len(turns)
        if self._has_waiting:
            self._schedule()
        for kind in turns:
            if self._worked >= self._max_together:
                self._is_turn_of_new = not self._is_turn_of_new
                self._has_waiting = True
                self._schedule()
                return
            self._waiting[kind].pop()()
        self._is_turn_of_new = False

    def _turns(self) -> list[Kind]:
        """The kinds whose turns they are, in their order."""
        most = self._max_together
        new, old = len(self._waiting[Kind.NEW]), len(self._waiting[Kind.OLD])
        new = min(new, max(most // 2, most - old))
        old = min(old, most - new)
        slow = min(len(self._waiting[Kind.SLOW]), max(MIN_SLOW, most - new - old))
        turns = [Kind.OLD] * old + [Kind.NEW] * new
        return [*(turns[old:] + turns[:old] if self._is_turn_of_new else turns), *[Kind.SLOW] * slow]
