"""Turns of large calls, and of those of clients whose calls took much work: all others pass between them.

A call of a thousand events takes the event loop for tens of milliseconds, and a small one may take as long, by the
conditions of the rules. If a hundred of them arrived together, and all were handled at once, everything else would
wait for seconds. Until it is committed, a decoded call takes about five times the memory of its queued bytes, and it
lengthens the commits that small calls wait for: when many bytes wait for theirs, the next large call waits as it came.
A call that takes more than its allowance of work is postponed: it comes again, among the costly ones.
"""

import asyncio
import time
from collections.abc import Callable

from starlette.types import Scope

from trackd.core.calls import Track
from trackd.core.work import COSTLY_CALL, FULL, Allowance
from trackd.http.body import Body
from trackd.http.clients import Client, Peer
from trackd.http.errors import too_many_large_calls
from trackd.http.fair_queue import FairQueue
from trackd.http.track.costly_clients import CostlyClients
from trackd.http.track.costly_work import VERY_LITTLE, CostlyWork, allowance_of
from trackd.http.track.pending_call import PendingCall
from trackd.telemetry.tally import Tally

EVENT_BYTES = 200  # of a queued call, at least: decoded, a small event takes a thousand
BUSY_S = 0.05  # of large calls without a pause
PAUSE = 0.5  # of the time that was spent
MAX_WAITING = 1_000
FULL_S = 0.005  # until the next look at the queue when it has `max_queued` bytes
OTHERS = 3  # times as long as the turns of costly connections took, others have theirs, while they wait
MAX_OTHERS_S = 1.0
REPEATED = Allowance(is_repeated=True)
POSTPONED = "trackd.postponed"  # in the state of a request: the fast path has tried it


class Turns:
    """One for all calls of a server. The work of a call is synchronous; its time is added by `spend`.

    Clients take turns, the smallest calls of each first. Connections that are known to be costly come after the others.
    """

    def __init__(self, tally: Tally, queued: Callable[[], int] = lambda: 0, max_queued: int = 1) -> None:
        """`queued`: the bytes of the calls that wait for their commit. From `max_queued` on no turn is given."""
        self._tally, self.costly = tally, CostlyClients(tally)
        self._queued, self._max_queued = queued, max_queued
        self._work = CostlyWork()
        self._spent_s = 0.0
        self._waiting, self._of_costly = FairQueue[asyncio.Future[None]](), FairQueue[asyncio.Future[None]]()
        self._others_s = BUSY_S  # of turns, before the next one of a costly connection
        self._is_given = self._is_costly = False  # to one that waited, of these
        self._is_resting = False

    def is_free(self) -> bool:
        """Whether a large call may be handled at once, without a turn. `spend` has to follow."""
        is_busy = self._spent_s >= BUSY_S or self._waiting or self._of_costly or self._is_given
        return not is_busy and self._queued() < self._max_queued

    def of_small_call(self, client: Client, peer: Peer | None) -> tuple[bool, Allowance]:
        """Whether a small call of the client takes a turn, and its allowance if it takes none.

        Others may have the address of a costly client: their calls are tried, unless they come on its connection.
        """
        if not self.costly.until:
            return False, FULL
        if self.costly.has(client.group):
            return self.costly.has(peer), VERY_LITTLE
        return False, self._work.allowance()

    def note(self, call: PendingCall, client: Client, peer: Peer | None, *, had_turn: bool) -> int:
        """Count a call that was submitted just now. `peer` and result: see `CostlyClients.note`."""
        work = self.costly.note(call.request, client, peer)
        self._tally.postponed_calls += call.is_postponed
        if not had_turn and (work >= COSTLY_CALL or (work and call.is_postponed)):
            self._work.add(work)
        return work

    async def take(
        self, client: Client, peer: Peer | None = None, size: int = 0, *, is_costly: bool = False
    ) -> Allowance:
        """Wait for a turn; `spend` has to follow. `peer`: see `CostlyClients.note`, `size` is that of the body.

        Returns the allowance of the call. Raises HttpError when too many wait, and this is the last one of the client
        that has most.
        """
        is_costly = is_costly or self.costly.has(peer)
        if not self.is_free():
            await self._wait(client, size, self._of_costly if is_costly else self._waiting)
        return FULL if is_costly or not (self._waiting or self._of_costly) else allowance_of(size)

    async def _wait(self, client: Client, size: int, queue: FairQueue[asyncio.Future[None]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.add(client.group, turn, size)
        if len(self._waiting) + len(self._of_costly) > MAX_WAITING:
            dropped = (self._of_costly or self._waiting).drop_last()
            if not dropped.done():
                dropped.set_exception(too_many_large_calls())
        if not self._is_resting:
            self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.spend(0.0)
            raise

    def spend(self, seconds: float) -> None:
        """Add the time of a large call. The next one follows at once or after a pause."""
        if self._is_given and self._is_costly:
            self._others_s = min(max(self._others_s, 0.0) + seconds * OTHERS, MAX_OTHERS_S)
        elif self._is_given:
            self._others_s -= seconds
        self._is_given = False
        self.add(seconds)
        if self._spent_s < BUSY_S:
            self._next()

    def add(self, seconds: float) -> None:
        """Add the time of a call that had no turn."""
        self._spent_s += seconds
        if not self._is_resting:
            self._is_resting = True
            asyncio.get_running_loop().call_soon(self._rest)

    def _rest(self) -> None:
        """Runs in each round of the event loop while large calls are handled."""
        loop = asyncio.get_running_loop()
        if self._spent_s >= BUSY_S:
            loop.call_later(self._spent_s * PAUSE, self._begin_anew)
        elif self._is_given:
            loop.call_soon(self._rest)
        else:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._spent_s, self._is_resting = 0.0, False
        self._next()

    def _next(self) -> None:
        while not self._is_given and (self._waiting or self._of_costly):
            if self._queued() >= self._max_queued:
                self._look_again()
                return
            self._is_costly = bool(self._of_costly) and (not self._waiting or self._others_s <= 0)
            turn = (self._of_costly if self._is_costly else self._waiting).pop()
            if not turn.done():
                turn.set_result(None)
                self._is_given = True

    def _look_again(self) -> None:
        if not self._is_resting:
            self._is_resting = True
            asyncio.get_running_loop().call_later(FULL_S, self._begin_anew)


def queued_size(size: int, call: Track) -> int:
    """The bytes that a call counts for while it is queued; `size` are those of its head and body."""
    return max(size, EVENT_BYTES * len(call.events))


async def in_turn(
    turns: Turns,
    client: Client,
    scope: Scope,
    received: Body,
    submit: Callable[[Allowance], PendingCall],
) -> PendingCall:
    """Submit a call, in a turn if it takes one, and again in another one if it is postponed."""
    peer, is_postponed = scope.get("client"), POSTPONED in scope.get("state", ())
    while True:
        async with Turn(turns, client, peer, received, is_postponed) as turn:
            call = submit(turn.allowance)
            turn.note(call)
        if not call.is_postponed:
            return call
        del call  # its decoded events, while it waits for its turn
        is_postponed = True


class Turn:
    """A turn for the block of an `async with`, if the call takes one. `client` and `peer`: see `CostlyClients.note`."""

    def __init__(self, turns: Turns, client: Client, peer: Peer | None, received: Body, is_postponed: bool) -> None:
        self._turns = turns
        self._client = client
        self._peer = peer
        self._size = received.size
        self._is_postponed = is_postponed
        self._takes_turn, self.allowance = True, FULL
        if not is_postponed and not received.is_large():
            self._takes_turn, self.allowance = turns.of_small_call(client, peer)

    async def __aenter__(self) -> "Turn":
        if self._takes_turn:
            take = self._turns.take(self._client, self._peer, self._size, is_costly=self._is_postponed)
            self.allowance = await take
        if self._is_postponed:
            self.allowance = REPEATED
        self._began = time.perf_counter()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._takes_turn:
            self._turns.spend(time.perf_counter() - self._began)

    def note(self, call: PendingCall) -> None:
        """Count the call, which was submitted just now."""
        self._turns.note(call, self._client, self._peer, had_turn=self._takes_turn)
