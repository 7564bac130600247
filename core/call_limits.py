"""The limits of calls: those of each client, and those of each source, which its clients share. Pure."""

from typing import Literal, NamedTuple

from msgspec import Struct

from trackd.core.rate_limit import FULL, MAX_KEYS, Bucket, Buckets, most_taken, take

BURST_S = 10.0  # a client may send the calls and events of so many seconds at once
SHARE = 0.1  # of a source's limit: the part that a client may take before others are served first


class Wait(NamedTuple):
    """The limit of a client that is reached, and the time until a call may pass."""

    limit: Literal["calls", "events"]
    seconds: float
    source: str | None
    """The id of the source of the client's last call that was taken."""


class _Taken(Struct):
    """The times at which the calls and events of a client are free again."""

    calls_free_at: float
    events_free_at: float
    source: str | None = None

    @property
    def free_at(self) -> float:
        return max(self.calls_free_at, self.events_free_at)


class ClientLimits:
    """Limits the calls and the events of each client, by a key; a rate of 0 is no limit.

    A call may pass when one event more may, and takes all its events: the next calls wait the longer. The keys are
    bounded as those of `Buckets`.
    """

    def __init__(self, calls_per_s: float, events_per_s: float) -> None:
        self._call_s = 1 / calls_per_s if calls_per_s else 0.0
        self._event_s = 1 / events_per_s if events_per_s else 0.0
        self._taken: dict[str, _Taken] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def wait(self, client: str, now: float) -> Wait | None:
        """The limit that keeps a call of the client from passing; None when it may pass."""
        taken = self._taken.get(client)
        if taken is None:
            return None
        if (seconds := taken.calls_free_at + self._call_s - now - BURST_S) > 1e-9:
            return Wait("calls", seconds, taken.source)
        if (seconds := taken.events_free_at + self._event_s - now - BURST_S) > 1e-9:
            return Wait("events", seconds, taken.source)
        return None

    def take(self, client: str, events: int, now: float, source: str | None = None) -> None:
        """Take a call with this number of events."""
        taken = self._taken.get(client)
        if taken is None:
            if len(self._taken) >= MAX_KEYS:
                self._taken = most_taken(self._taken, now)
            self._taken[client] = taken = _Taken(now, now)
        taken.calls_free_at = max(taken.calls_free_at, now) + self._call_s
        taken.events_free_at = max(taken.events_free_at, now) + events * self._event_s
        taken.source = source or taken.source


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
