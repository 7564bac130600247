from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.json_values import TOO_LARGE, equal, exact_sum, identity, integer_size, is_number, same

scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2).map(lambda x: round(x, 1)) | st.text("ab")
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner), max_leaves=6)
UNLIKE = [1, 1.0, True, "1", None, 0, False, "", [], {}, [1], [True], {"a": 1}, {"a": 1.0}, {"a": None}]


@pytest.mark.parametrize("one", UNLIKE, ids=repr)
@pytest.mark.parametrize("other", UNLIKE, ids=repr)
def test_values_are_the_same_when_their_json_is(one: Any, other: Any) -> None:
    assert same(one, other) is (one is other)
    assert (identity(one) == identity(other)) is (one is other)


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (5, 5.0, True),
        (0, -0.0, True),
        ({"a": [1, {"b": 2.0}]}, {"a": [1.0, {"b": 2}]}, True),
        (2**53 + 1, float(2**53), False),
        (10**23, 1e23, False),
        (1, True, False),
        (0, False, False),
        (0, None, False),
        (5, "5", False),
        ({"a": 1}, {"a": 1, "b": 1}, False),
        ([1], [1, 1], False),
        ([True], [1], False),
    ],
    ids=repr,
)
def test_numbers_of_one_value_are_equal_and_all_else_is_as_its_json(one: Any, other: Any, are_equal: bool) -> None:
    assert equal(one, other) is equal(other, one) is are_equal


@given(values, values)
def test_values_that_are_the_same_have_one_identity(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) == (identity(one) == identity(other))


def test_negative_zero_is_zero() -> None:
    assert same([0.0], [-0.0])
    assert identity([0.0]) == identity([-0.0])


def test_the_order_of_keys_does_not_matter() -> None:
    assert same({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert identity({"a": 1, "b": [2]}) == identity({"b": [2], "a": 1})


@pytest.mark.parametrize(("value", "number"), [(1, True), (0.5, True), (True, False), ("1", False), (None, False)])
def test_true_is_no_number(value: Any, number: bool) -> None:
    assert is_number(value) is number


@given(st.lists(st.decimals(-10_000, 10_000, places=2), min_size=1, max_size=4))
def test_decimals_add_up_exactly_in_any_order(prices: list[Decimal]) -> None:
    for order in permutations(prices):
        total: float = 0
        for price in order:
            total = exact_sum(total, float(price))
        assert Decimal(repr(total)) == sum(prices, Decimal())


def test_whole_numbers_stay_whole() -> None:
    assert repr(exact_sum(1, 2)) == "3"
    assert repr(exact_sum(1, 2.0)) == "3.0"
    assert repr(exact_sum(0.1, 0.2)) == "0.3"


@pytest.mark.parametrize(
    ("one", "other", "total"),
    [
        (2**63 - 1, 1, 9223372036854775808),
        (-(2**63), -1, -9223372036854775809),
        (20_000_000_000_000_000_000, 1, 20_000_000_000_000_000_001),
        (10**400, -1, 10**400 - 1),
        (TOO_LARGE - 2, 1, TOO_LARGE - 1),
        (2**64, 0.5, 18446744073709552000.0),
    ],
)
def test_whole_numbers_beyond_64_bits_add_up_exactly(one: int, other: float, total: float) -> None:
    assert same(exact_sum(one, other), total)


@pytest.mark.parametrize(
    ("one", "other"),
    [(TOO_LARGE - 1, 1), (1 - TOO_LARGE, -1), (1e308, 1e308), (-1e308, -1e308), (10**400, 0.5), (0.5, -(10**400))],
)
def test_a_sum_that_cannot_be_written_as_json_is_refused(one: float, other: float) -> None:
    with pytest.raises(OverflowError, match="the result is too large"):
        exact_sum(one, other)


def test_numbers_far_apart_add_up_without_a_fault() -> None:
    assert exact_sum(1e308, 5e-324) == 1e308


@pytest.mark.parametrize(("one", "other"), [(10**4_000, 0.5), (-0.5, -(10**311)), (2 * 10**310, -1.7e308)])
def test_a_decimal_and_an_integer_beyond_all_decimals_have_no_sum(one: float, other: float) -> None:
    with pytest.raises(OverflowError, match="too large"):
        exact_sum(one, other)


def test_a_decimal_and_an_integer_just_beyond_the_decimals_may_have_a_sum() -> None:
    assert exact_sum(2 * 10**308, -1e308) == 1e308


@given(st.integers(0, 4_299), st.integers(-2, 2), st.sampled_from([1, -1]))
def test_the_size_of_an_integer_is_the_length_of_its_text(power: int, more: int, sign: int) -> None:
    value = sign * (10**power + more)
    assert integer_size(value) == len(str(value))


@given(st.integers(), st.integers(0, 4_000))
def test_the_size_of_any_integer_is_the_length_of_its_text(value: int, power: int) -> None:
    assert integer_size(value * 7**power // 3) == len(str(value * 7**power // 3))
