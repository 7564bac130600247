"""The work of conditions: how it grows with the values that they read."""

import pytest

from trackd.core.rules.condition_work import (
    BYTE,
    ENTRY,
    EVALUATION,
    MEMBER,
    NUL,
    PATTERN,
    PROPERTY,
    READING,
    STEP,
    Sizes,
    json_sizes,
    pattern_units,
)
from trackd.core.rules.conditions import Condition

L, P = "event.properties.l", "event.properties"


def units(text: str, members: int, size: int = 0) -> int:
    return work(text, Sizes(size, members))


def work(text: str, sizes: Sizes) -> int:
    """That of an evaluation and of the conversion of its values."""
    return Condition(text)._work.units(sizes) + sizes.conversion


def growth(text: str) -> float:
    """By how much the work grows when there are twice as many members, without that of an evaluation and conversion."""
    ones, twice = (units(text, members) - EVALUATION - READING - members * MEMBER for members in (50, 100))
    return twice / ones


def test_the_sizes_are_those_of_the_json() -> None:
    assert json_sizes([b'{"a":[1,2,3]}', b"[]"], 2) == Sizes(15, 5, 1, 2)


def test_a_condition_without_a_loop_takes_work_for_each_byte_and_member_that_is_converted() -> None:
    text = f"{P}.a == 'x'"
    base = units(text, 0)
    assert units(text, 3) == base + 3 * MEMBER
    assert work(text, Sizes(0, 0, 3, 2)) == base + 3 * ENTRY + 2 * NUL
    assert units(text, 0, 100) == base + 100 * BYTE


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (f"{L}.exists(a, a == 'x')", 1.7, 2.1),
        (f"{L}.exists(a, a.b in ['x', 'y'])", 1.7, 2.1),
        (f"{L}.exists(a, {L}.exists(b, a == b))", 3.5, 4.1),
        (f"{L}.map(a, a) == []", 3, 4.1),
        (f"{L}.exists_one(a, a == 'x')", 1.7, 2.1),
        (f"{L}.exists(a, a == 'x') && {L}.exists(a, a == 'y')", 1.7, 2.1),
    ],
)
def test_a_loop_takes_work_for_each_item_and_nested_loops_for_each_pair(text: str, least: float, most: float) -> None:
    assert least < growth(text) < most


def test_cel_ends_loops_after_10_000_iterations() -> None:
    nested = f"{L}.exists(a, {L}.exists(b, true))"
    assert units(nested, 1_000) - units(nested, 900) < 100 * 1_000


@pytest.mark.parametrize(
    "text",
    [
        f"{L}.exists(a, {P}.text.contains('x'))",
        f"{L}.exists(a, a in {P}.other)",
        f"{L}.exists(a, size({P}.text) > 3)",
        f"{L}.exists(a, {P}.text + 'x' == a)",
        f"{L}.exists(a, {P}.text == {P}.other)",
        f"{L}.exists(a, string({P}.text) == 'x')",
    ],
)
def test_what_an_iteration_reads_from_outside_of_the_loop_counts_each_time(text: str) -> None:
    size, members = 10_000, 100
    assert units(text, members, size) >= members * size // 8


@pytest.mark.parametrize(
    "text",
    [
        f"{L}.exists(a, a.contains('x'))",
        f"{L}.exists(a, a.sku == {P}.sku)",
        f"{L}.exists(a, size(a) > 3)",
        f"{L}.exists(a, a + 'x' == 'yx')",
        f"{L}.exists(a, a.startsWith('x'))",
    ],
)
def test_all_items_of_a_loop_together_are_read_once(text: str) -> None:
    size, members = 10_000, 100
    assert units(text, members, size) < 20 * (size * BYTE + members * MEMBER)


def test_a_search_for_a_variable_text_takes_the_square_of_the_size() -> None:
    assert growth_in_size(f"{P}.a.contains('x')") < 2.1
    assert growth_in_size(f"{P}.a.contains({P}.b)") > 3.5


def growth_in_size(text: str) -> float:
    return units(text, 0, 200_000) / units(text, 0, 100_000)


def test_a_pattern_costs_its_compilation_for_each_use() -> None:
    assert units(f"{P}.a.matches('^x')", 0) > PATTERN
    assert units(f"{L}.exists(a, a.matches('^x'))", 100) > 100 * PATTERN


def test_lists_that_a_condition_makes_itself_count() -> None:
    assert units(f"({L} + {L}).exists(a, a == 'x')", 1000) > 1.9 * units(f"{L}.exists(a, a == 'x')", 1000) - 1e6
    numbers = ", ".join(map(str, range(50)))
    assert units(f"[{numbers}].exists(a, a == 1)", 0) > 50 * STEP


def test_number_is_no_loop() -> None:
    assert growth_in_size("number(event.properties.v) == 48") < 2.1


def test_a_pattern_takes_work_for_what_its_repetitions_make_of_it() -> None:
    assert pattern_units("^a$") < 2 * PATTERN
    assert pattern_units(r"\pL") > PROPERTY
    assert pattern_units(r"[\p{L}\pN]") > 2 * PROPERTY
    assert pattern_units(r"\pL{1,50}") > 50 * PROPERTY
    assert pattern_units("((a{1,10}){1,10}){1,9}") > 400_000
    assert pattern_units("([a-z].{0,100}[0-9]){3}$") > 2_000_000
    assert work(f"{P}.s.matches('^\\\\pL{{1,50}}')", Sizes()) > 50 * PROPERTY
