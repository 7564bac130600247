from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.json_values import TOO_LARGE, same
from trackd.core.rules.lists import Lists
from trackd.core.rules.operations import OPERATIONS, StepError
from trackd.core.rules.paths import MISSING, Missing


def operate(op: str, before: Any, operand: Any, max_items: int) -> Any:
    return OPERATIONS[op](before, operand, max_items, Lists())


@pytest.mark.parametrize(
    ("op", "before", "operand", "after"),
    [
        ("set", MISSING, 1, 1),
        ("set", {"a": 1}, "x", "x"),
        ("set_if_absent", MISSING, 1, 1),
        ("set_if_absent", None, 1, 1),
        ("set_if_absent", 0, 1, 0),
        ("unset", 1, MISSING, MISSING),
        ("increment", MISSING, MISSING, 1),
        ("increment", None, 2, 2),
        ("increment", 0.1, 0.2, 0.3),
        ("increment", 5, -7, -2),
        ("decrement", MISSING, MISSING, -1),
        ("decrement", 5, 0.5, 4.5),
        ("max", MISSING, 3, 3),
        ("max", 3, 2, 3),
        ("max", 2, 3.5, 3.5),
        ("max", "2026-01-01", "2026-02-01", "2026-02-01"),
        ("max", 2.5, 2**64, 2**64),
        ("min", 0, -(10**400), -(10**400)),
        ("increment", 2**63 - 1, 1, 2**63),
        ("decrement", -(2**64), 1, -(2**64) - 1),
        ("append_unique", [2**64], [2**64, 2**64 + 1], [2**64, 2**64 + 1]),
        ("min", MISSING, 3, 3),
        ("min", 3, 2, 2),
        ("min", "b", "a", "a"),
        ("append", MISSING, 1, [1]),
        ("append", [1], 1, [1, 1]),
        ("append", [1], [2, 3], [1, 2, 3]),
        ("append", None, {"a": 1}, [{"a": 1}]),
        ("append_unique", [1], 1, [1]),
        ("append_unique", [1], [1.0, True, "1", 1], [1, 1.0, True, "1"]),
        ("append_unique", [1, 1], [2, 2], [1, 1, 2]),
        ("append_unique", [{"a": 1, "b": 2}], {"b": 2, "a": 1}, [{"a": 1, "b": 2}]),
        ("remove", MISSING, 1, MISSING),
        ("remove", [1, 2, 1], 1, [2]),
        ("remove", [1, True, 1.0, "1"], [1, "1"], [True, 1.0]),
    ],
)
def test_an_operation_makes_of_a_value_and_an_operand_another_value(
    op: str, before: Any, operand: Any, after: Any
) -> None:
    result = operate(op, before, operand, 4)
    assert result is after or same(result, after)


@pytest.mark.parametrize(
    ("op", "before", "operand", "why"),
    [
        ("increment", "x", 1, "a text cannot be incremented"),
        ("increment", True, 1, "true or false cannot be incremented"),
        ("increment", 1, "2", "a number cannot be incremented by a text"),
        ("increment", 1, True, "a number cannot be incremented by true or false"),
        ("decrement", [1], 1, "a list cannot be decremented"),
        ("increment", TOO_LARGE - 1, 1, "the result is too large"),
        ("increment", 0.5, 10**400, "the result is too large"),
        ("increment", 1e308, 1e308, "the result is too large"),
        ("max", 1, "2", "a number cannot be compared with a text"),
        ("min", {}, 1, "an object cannot be compared with a number"),
        ("max", True, False, "true or false cannot be compared"),
        ("max", MISSING, True, "true or false cannot be compared"),
        ("min", None, [1, 2, 3, 4, 5], "a list cannot be compared"),
        ("append", "x", 1, "one cannot append to a text"),
        ("append_unique", {}, 1, "one cannot append to an object"),
        ("remove", 7, 1, "one cannot remove from a number"),
        ("append", [1, 2, 3, 4], 5, "more than 4 items (limits.max_list_items)"),
        ("append_unique", [1, 2, 3, 4], 5, "more than 4 items (limits.max_list_items)"),
        ("set", MISSING, [1, 2, 3, 4, 5], "more than 4 items (limits.max_list_items)"),
    ],
)
def test_an_operation_that_cannot_be_done_raises_the_reason(op: str, before: Any, operand: Any, why: str) -> None:
    with pytest.raises(StepError) as raised:
        operate(op, before, operand, 4)
    assert why in str(raised.value)
    assert raised.value.notable


def test_a_full_list_takes_items_that_it_already_has() -> None:
    full = [1, 2]
    assert operate("append_unique", full, [2, 1], 2) is full


@given(st.sampled_from(["append", "append_unique", "remove"]), st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_lists_are_never_changed_in_place(op: str, before: list[int], operand: list[int]) -> None:
    kept, given_ = list(before), list(operand)
    operate(op, before, operand, 100)
    assert (before, operand) == (kept, given_)


@pytest.mark.parametrize(
    ("op", "operand", "after"),
    [
        ("set", 1, 1),
        ("set_if_absent", 1, 1),
        ("unset", MISSING, MISSING),
        ("increment", 2, 2),
        ("decrement", 2, -2),
        ("max", 2, 2),
        ("min", 2, 2),
        ("append", 2, [2]),
        ("append_unique", [2, 2], [2]),
    ],
)
@pytest.mark.parametrize("before", [MISSING, None], ids=["missing", "null"])
def test_a_null_before_counts_as_no_value(
    op: str, operand: Missing | int | list[int], after: Missing | int | list[int], before: Missing | None
) -> None:
    result = operate(op, before, operand, 4)
    assert result is after or same(result, after)


@pytest.mark.parametrize("before", [MISSING, None], ids=["missing", "null"])
def test_without_a_list_nothing_is_removed(before: Missing | None) -> None:
    assert operate("remove", before, 1, 4) is before


@given(st.lists(st.decimals(-10_000, 10_000, places=2), max_size=6), st.randoms(use_true_random=False))
def test_added_amounts_can_be_subtracted_exactly_in_any_order(amounts: list[Decimal], random: Any) -> None:
    total = MISSING
    shuffled = random.sample(amounts, len(amounts))
    for amount in shuffled:
        total = operate("increment", total, float(amount), 4)
    for amount in shuffled[1:]:
        total = operate("decrement", total, float(amount), 4)
    assert total == (float(shuffled[0]) if shuffled else MISSING)
