"""Rate limits by the generic cell rate algorithm, which keeps one number for each limited client."""

from msgspec import Struct


class Bucket(Struct, frozen=True):
    """`free_at`: the monotonic time, in seconds, at which the bucket is full again."""

    free_at: float = 0.0


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
