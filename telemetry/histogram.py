"""A histogram in plain numbers, cheaper to observe than prometheus-client's."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence


class Histogram:
    """Counts values by the first bound that they do not exceed, and adds them up in `total`."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` are in ascending order. A value above the last one is counted at infinity."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each bound and at last infinity, with the number of values up to it."""
        number = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            number += count
            yield bound, number
