"""A body has to bring 10,000 bytes in any 10 seconds."""

import pytest

from trackd.http.server.body_progress import MIN_BYTES_PER_S, WINDOW_S, BodyProgress


def stalled_at(bytes_per_s: float, until_s: int, more_s: int = 60) -> int | None:
    """The second in which a body is stalled that arrives at this rate until `until_s`, and then stops."""
    progress = BodyProgress(0.0, 0)
    for second in range(1, until_s + more_s):
        if progress.is_stalled(float(second), int(min(second, until_s) * bytes_per_s)):
            return second
    return None


@pytest.mark.parametrize("rate", [MIN_BYTES_PER_S, MIN_BYTES_PER_S + 1, 100_000])
def test_a_body_that_arrives_fast_enough_is_awaited_until_it_stops(rate: int) -> None:
    assert stalled_at(rate, 300) in range(300 + WINDOW_S - 9, 300 + WINDOW_S + 2)


@pytest.mark.parametrize("rate", [0, 1, MIN_BYTES_PER_S * 0.9])
def test_a_body_that_is_slower_is_stalled_after_the_window(rate: float) -> None:
    assert stalled_at(rate, 300) == WINDOW_S + 1


def test_a_body_that_pauses_for_less_than_the_window_is_awaited() -> None:
    progress = BodyProgress(0.0, 0)
    arrived = 0
    for second in range(1, 100):
        arrived += 10_000 if second % 10 == 0 else 0
        assert not progress.is_stalled(float(second), arrived)
