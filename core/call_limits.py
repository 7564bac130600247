"""The limits of calls: those of each client, and those of each source, which its clients share. Pure."""

from typing import Literal, NamedTuple

from msgspec import Struct

from trackd.core.rate_limit import FULL, MAX_KEYS, Bucket, Buckets, most_taken, take

BURST_S = 10.0  # a client may send the calls and events of so many seconds at once
SHARE = 0.1  # of a source's limit: the part that a client may take before others are served first


class Wait(NamedTuple):
    """The limit of a client that was reached, and the time until a call may pass."""

    limit: Literal["calls", "events"]
    seconds: float


class _Taken(Struct):
    """The times at which the calls and events of a client are free again."""

    calls_free_at: float
    events_free_at: float

    @property
    def free_at(self) -> float:
        return max(self.calls_free_at, self.events_free_at)


class ClientLimits:
    """Limits the calls and the events of each client, by a key; a rate of 0 is no limit.

    A call passes when one event more may pass, and takes all its events: the next calls wait the longer. The keys are
    bounded as those of `Buckets`.
    """

    def __init__(self, calls_per_s: float, events_per_s: float) -> None:
        self._call_s = 1 / calls_per_s if calls_per_s else 0.0
        self._event_s = 1 / events_per_s if events_per_s else 0.0
        self._taken: dict[str, _Taken] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, client: str, events: int, now: float) -> Wait | None:
        """Take a call with this number of events; None means that it may pass."""
        taken = self._taken.get(client)
        if taken is None:
            taken = self._add(client, now)
        calls_free_at, events_free_at = max(taken.calls_free_at, now), max(taken.events_free_at, now)
        if (wait := calls_free_at + self._call_s - now - BURST_S) > 1e-9:
            return Wait("calls", wait)
        if events and (wait := events_free_at + self._event_s - now - BURST_S) > 1e-9:
            return Wait("events", wait)
        taken.calls_free_at = calls_free_at + self._call_s
        taken.events_free_at = events_free_at + events * self._event_s
        return None

    def _add(self, client: str, now: float) -> _Taken:
        if len(self._taken) >= MAX_KEYS:
            self._taken = most_taken(self._taken, now)
        self._taken[client] = taken = _Taken(now, now)
        return taken


class SourceLimits:
    """Limits the calls of sources. A client that takes much of a source's limit leaves the other clients room.

    Clients that have taken less than their `SHARE` of it may send twice the burst: so a source that one client uses up
    still serves the others, and never more than its rate for long.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._shares: Buckets[tuple[str, str]] = Buckets()

    def take(self, source: str, rate: float, client: str | None, now: float) -> float:
        """Take one call. Returns the seconds to wait; 0 means that the call may pass. `rate`: calls per second."""
        burst = max(1.0, rate)
        if client is not None and not self._shares.take((source, client), rate * SHARE, now):
            burst *= 2
        self._buckets[source], wait = take(self._buckets.get(source, FULL), rate, now, burst)
        return wait

    def keep(self, sources: set[str]) -> None:
        """Forget all other sources."""
        self._buckets = {source: bucket for source, bucket in self._buckets.items() if source in sources}
