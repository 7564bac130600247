import math

import pytest

from tests.bench.figures import Round, Target, in_turns, medians, ratio


def taken(*calls: int, errors: int = 0) -> list[Round]:
    """Rounds of one second."""
    return [Round(calls=each, seconds=1, p50_ms=each, p99_ms=0, p999_ms=0, errors=errors, cpu_us=0) for each in calls]


def test_a_ratio_is_the_median_of_the_rounds_ratios_so_that_drift_falls_out() -> None:
    assert ratio(taken(50, 100, 400), taken(100, 200, 100)) == 0.5


def test_a_reference_without_an_answer_gives_no_ratio_and_meets_no_target() -> None:
    found = ratio(taken(50, 100), taken(0, 0))
    assert math.isnan(found)
    assert not Target("ratio", found, 0.5).met


def test_medians_are_those_of_all_rounds_and_errors_are_summed() -> None:
    found = {each.name: each for each in medians({"a": taken(10, 30, 20), "b": taken(5, 1, 2, errors=3)}, "a")}
    assert (found["a"].per_second, found["a"].ratio, found["a"].p50_ms) == (20, 1, 20)
    assert (found["b"].per_second, found["b"].errors) == (2, 9)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("ratio", 0.55, 0.55), True),
        (Target("ratio", 0.54, 0.55), False),
        (Target("p99", 25.0, 25.0, most=True), True),
        (Target("p99", 25.1, 25.0, most=True), False),
    ],
)
def test_a_target_is_met_on_its_side_of_the_limit(target: Target, met: bool) -> None:
    assert target.met is met


def test_each_round_has_the_reverse_order() -> None:
    assert in_turns(["a", "b", "c"], 3) == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]
