from math import inf

from trackd.telemetry.histogram import Histogram


def test_a_value_counts_for_each_bound_that_it_does_not_exceed() -> None:
    histogram = Histogram([0.5, 1.0])

    for value in (0.1, 0.5, 0.75, 1.0, 7.0):
        histogram.observe(value)

    assert list(histogram.cumulative()) == [(0.5, 2), (1.0, 4), (inf, 5)]
    assert histogram.total == 9.35


def test_without_values_all_counts_are_0() -> None:
    histogram = Histogram([1.0])

    assert (list(histogram.cumulative()), histogram.total) == ([(1.0, 0), (inf, 0)], 0.0)
