"""Rate limits by the generic cell rate algorithm, which keeps one number for each limited client."""

from collections.abc import Hashable, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

MAX_KEYS = 10_000  # of limited clients; each takes about 200 bytes


class Bucket(Struct, frozen=True):
    """`free_at`: the monotonic time, in seconds, at which the bucket is full again."""

    free_at: float = 0.0


FULL = Bucket()


def take(bucket: Bucket, calls_per_s: float, now: float, burst: float | None = None) -> tuple[Bucket, float]:
    """Take one call. Returns the bucket after it and the seconds to wait; 0 means that the call may pass.

    `burst`: the number of calls that may come at once; by default those of one second, at least one.
    """
    burst = max(1.0, calls_per_s) if burst is None else burst
    free_at = max(bucket.free_at, now)
    wait = free_at - now - (burst - 1) / calls_per_s
    if wait > 1e-9:  # seconds: the rounding errors of a whole burst stay below
        return bucket, wait
    return Bucket(free_at + 1 / calls_per_s), 0.0


class Limited(Protocol):
    @property
    def free_at(self) -> float:
        """See `Bucket`."""


K = TypeVar("K", bound=Hashable)
L = TypeVar("L", bound=Limited)


def most_taken(buckets: Mapping[K, L], now: float) -> dict[K, L]:
    """Half of the buckets, those from which most was taken; none that is full again."""
    ranked = sorted(buckets.items(), key=lambda item: item[1].free_at)
    return {key: bucket for key, bucket in ranked[(len(ranked) + 1) // 2 :] if bucket.free_at > now}


class Buckets(Generic[K]):
    """A bucket for each key, at most `MAX_KEYS`. When there are more, half of them are evicted, see `most_taken`.

    So a client cannot get another bucket before its own is full again, however many other keys it uses.
    """

    def __init__(self) -> None:
        self._buckets: dict[K, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: K, calls_per_s: float, now: float, burst: float | None = None) -> float:
        """Take one call from the bucket of the key. Returns the seconds to wait; 0 means that the call may pass."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_KEYS:
                self._buckets = most_taken(self._buckets, now)
            bucket = FULL
        self._buckets[key], wait = take(bucket, calls_per_s, now, burst)
        return wait
