"""When connections handle what has arrived: a few in each round of the event loop.

The loop reads from all connections that have something, up to a thousand in a round. If all of it were handled at once,
a round would take so many calls, and a client waits for several rounds: until it is accepted, read, and answered.
"""

import asyncio
from collections.abc import Callable

from trackd.http.clients import Peer
from trackd.http.fair_queue import FairQueue

MAX_TOGETHER = 32
MIN_NEW = 8  # of them, however many old connections wait
UNITS = 1_000_000  # of work, see core/work.py: a call that takes much counts as so many more


class ReadTurns:
    """One for all connections of a server, and one for their pipelines: requests that wait for the one before them.

    Connections that had a request before come first: others may be thousands. The clients of each kind take turns.
    """

    def __init__(self) -> None:
        self._begun = 0  # in this round, at once
        self._worked = 0  # in this round, in turns
        self._is_turn_of_new = False  # a long call ended the round before
        self._old = FairQueue[Callable[[], None]]()
        self._new = FairQueue[Callable[[], None]]()
        self._has_waiting = self._is_scheduled = self._has_ended = False

    def is_free(self) -> bool:
        """Whether a connection may handle at once what has arrived. Otherwise it has to wait for its turn."""
        self._begun += 1
        if not self._is_scheduled:
            self._schedule()  # the end of this round
        return (self._begun <= MAX_TOGETHER and not self._has_waiting) or self._has_ended

    def add(self, handle: Callable[[], None], client: Peer | None, *, is_new: bool = False) -> None:
        """Let a connection wait for its turn. `handle` handles what has arrived, if it is still open by then."""
        (self._new if is_new else self._old).add(client[0] if client else "", handle)
        self._has_waiting = True
        self._schedule()

    def end(self) -> None:
        """All that wait have their turn now, and from now on all connections are free: the server stops."""
        self._has_ended = True
        while self._old or self._new:
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
        new = min(len(self._new), max(MIN_NEW, MAX_TOGETHER - len(self._old)))
        old = min(len(self._old), MAX_TOGETHER - new)
        is_turn_of_new, self._is_turn_of_new = self._is_turn_of_new, False
        turns = [self._old] * old + [self._new] * new
        if is_turn_of_new:
            turns = turns[old:] + turns[:old]
        self._is_scheduled = False
        self._begun = self._worked = 0
        self._has_waiting = len(self._old) + len(self._new) > len(turns)
        if self._has_waiting:
            self._schedule()
        for queue in turns:
            if self._worked >= MAX_TOGETHER:
                self._is_turn_of_new = not is_turn_of_new
                self._has_waiting = True
                self._schedule()
                break
            queue.pop()()
