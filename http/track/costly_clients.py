"""The clients whose calls took much work lately: their next calls wait for turns, however small they are."""

import time
from collections.abc import Callable, Hashable

from trackd.core.calls import Track
from trackd.core.rate_limit import MAX_KEYS
from trackd.core.work import COSTLY_CALL
from trackd.http.clients import Client, Peer
from trackd.telemetry.tally import Tally

UNITS_PER_S = 10_000_000  # of work that a client may cause without turns: a hundredth of the time
MAX_S = 60.0


class CostlyClients:
    """Remembers them by their address, and by their connection, each for a hundred times as long as the work took."""

    def __init__(self, tally: Tally, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tally = tally
        self._monotonic = monotonic
        self.until: dict[Hashable, float] = {}

    def has(self, key: Hashable) -> bool:
        """Whether the address (`Client.group`) or the connection of a client is one of them."""
        until = self.until.get(key)
        if until is None:
            return False
        if until > self._monotonic():
            return True
        del self.until[key]
        return False

    def note(self, call: Track, client: Client, peer: Peer | None) -> int:
        """Remember the client if the call, which was decided just now, took much work.

        Returns the units of a call that took more than `LONG_CALL`, 0 for others.

        `peer`: the address and port of its connection, if no other client has that.
        """
        tally = self._tally
        number, tally.long_call = tally.long_call, 0
        if number != call.number:
            return 0
        work = tally.long_call_work
        if work < COSTLY_CALL:
            return work
        now = self._monotonic()
        for key in {client.group, peer} - {None}:
            if len(self.until) >= MAX_KEYS:
                latest = sorted(self.until.items(), key=lambda item: item[1])[MAX_KEYS // 2 :]
                self.until = {key: until for key, until in latest if until > now}
            until = max(self.until.get(key, now), now) + work / UNITS_PER_S
            self.until[key] = min(until, now + MAX_S)
        return work
