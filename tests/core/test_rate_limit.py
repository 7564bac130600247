import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.rate_limit import MAX_KEYS, Bucket, Buckets, most_taken, take

rates = st.floats(0.01, 1000)
moments = st.lists(st.floats(0, 3), max_size=60).map(lambda gaps: list(itertools.accumulate(gaps, initial=100.0)))


def passed(rate: float, moments: list[float]) -> list[float]:
    """The moments at which a call may pass."""
    bucket, through = Bucket(), []
    for now in moments:
        bucket, wait = take(bucket, rate, now)
        if not wait:
            through.append(now)
    return through


@given(rates, st.one_of(moments, moments.map(lambda all_: [moment for moment in all_ for _ in range(5)])))
def test_no_period_passes_more_calls_than_a_burst_and_the_rate(rate: float, moments: list[float]) -> None:
    through = passed(rate, moments)

    burst = max(1.0, rate)
    for first, start in enumerate(through):
        for last in range(first, len(through)):
            assert last - first + 1 <= burst + rate * (through[last] - start) + 1e-3


@given(rates, moments)
def test_a_call_passes_after_its_wait(rate: float, moments: list[float]) -> None:
    bucket = Bucket()
    for now in moments:
        before = bucket
        bucket, wait = take(bucket, rate, now)
        if wait:
            assert bucket == before
            assert take(bucket, rate, now + wait + 1e-6)[1] == 0


@given(rates, moments)
def test_a_call_that_keeps_to_the_rate_always_passes(rate: float, moments: list[float]) -> None:
    spaced = [100.0 + n * (1 / rate + 1e-6) for n in range(len(moments))]

    assert passed(rate, spaced) == spaced


@pytest.mark.parametrize(("rate", "burst"), [(0.1, 1), (0.5, 1), (1, 1), (2.5, 2), (3, 3), (10, 10), (100, 100)])
def test_a_burst_has_the_calls_of_one_second_and_at_least_one(rate: float, burst: int) -> None:
    assert len(passed(rate, [100.0] * 500)) == burst


@pytest.mark.parametrize("rate", [0.5, 10])
def test_a_long_silence_does_not_save_up_more_than_a_burst(rate: float) -> None:
    bucket, _ = take(Bucket(), rate, 0.0)

    through = 0
    for _ in range(100):
        bucket, wait = take(bucket, rate, 1e6)
        through += not wait

    assert through == max(1, rate)


def test_the_wait_is_in_seconds() -> None:
    bucket, first = take(Bucket(), 0.5, 100.0)
    _, second = take(bucket, 0.5, 100.5)

    assert first == 0.0
    assert second == pytest.approx(1.5)


def test_a_steady_stream_passes_at_the_rate() -> None:
    through = passed(10, [100.0 + n / 100 for n in range(1000)])

    assert len(through) == pytest.approx(10 * 10 + 9, abs=1)


def test_a_burst_may_be_larger_than_the_calls_of_one_second() -> None:
    bucket, waits = Bucket(), []
    for _ in range(12):
        bucket, wait = take(bucket, 1.0, 100.0, burst=10)
        waits.append(wait)

    assert waits == [0.0] * 10 + [pytest.approx(1.0)] * 2
    assert take(bucket, 1.0, 101.0, burst=10)[1] == 0


def test_each_key_has_a_bucket() -> None:
    buckets: Buckets[str] = Buckets()

    waits = [(buckets.take("a", 1.0, 100.0, 2), buckets.take("b", 1.0, 100.0, 2)) for _ in range(3)]

    assert waits == [(0, 0), (0, 0), (pytest.approx(1.0), pytest.approx(1.0))]


def test_a_used_up_bucket_outlives_any_number_of_others_and_the_number_of_keys_is_bounded() -> None:
    buckets: Buckets[int] = Buckets()
    assert [buckets.take(-1, 1.0, 100.0, 10) for _ in range(11)][-1] > 0

    for key in range(10 * MAX_KEYS):
        buckets.take(key, 1.0, 100.0, 10)

    assert len(buckets) <= MAX_KEYS
    assert buckets.take(-1, 1.0, 100.0, 10) == pytest.approx(1.0)


def test_full_buckets_are_evicted_first() -> None:
    buckets = {"full": Bucket(99.0), "little": Bucket(101.0), "much": Bucket(110.0), "more": Bucket(120.0)}

    assert most_taken(buckets, 100.0).keys() == {"much", "more"}
    assert most_taken(buckets, 115.0).keys() == {"more"}
    assert most_taken({"one": Bucket(120.0)}, 100.0) == {}
