"""Whether the body of a request arrives fast enough to wait for it."""

MIN_BYTES_PER_S = 1_000
WINDOW_S = 10


class BodyProgress:
    """One body that is arriving. All times are of the event loop."""

    def __init__(self, now: float, size: int) -> None:
        self._since, self._size = now, size

    def is_stalled(self, now: float, size: int) -> bool:
        """Whether fewer than `MIN_BYTES_PER_S` arrived in the last `WINDOW_S`; `size` bytes arrived in all."""
        if size - self._size >= MIN_BYTES_PER_S * WINDOW_S:
            self._since, self._size = now, size
        return now - self._since > WINDOW_S
