"""What is known of lists during a call: the sizes and keys of a plain measurement, without measuring again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import NOW
from trackd.config.settings import Limits
from trackd.core.json_values import same
from trackd.core.profile_document import new_profile
from trackd.core.rules.consents import EventTime
from trackd.core.rules.draft import Draft, json_size
from trackd.core.rules.lists import MAX_KEPT, Lists
from trackd.core.rules.operations import LIST_OPERATIONS
from trackd.core.rules.paths import MISSING
from trackd.core.rules.rule import Rule
from trackd.core.rules.steps import Operand, Step
from trackd.core.work import Work

items = st.lists(st.sampled_from([0, 1, 1.0, True, None, "č", "\n", [1], [1.0], {"a": 1}, {"a": True}]), max_size=4)
changes = st.lists(st.tuples(st.sampled_from(LIST_OPERATIONS), items, st.booleans()), max_size=12)


def plain(op: str, known: list[Any], operand: list[Any]) -> list[Any]:
    if op == "append":
        return known + operand
    if op == "remove":
        return [item for item in known if not any(same(item, other) for other in operand)]
    result = list(known)
    result += [item for n, item in enumerate(operand) if not any(same(item, o) for o in [*known, *operand[:n]])]
    return result


@given(items, changes)
def test_lists_change_as_plain_lists_and_their_sizes_stay_right(first: list[Any], changes: list[Any]) -> None:
    draft = Draft(new_profile("A", NOW))
    draft.put(("traits", "public", "list"), first)
    expected = first
    for op, operand, rolled_back in changes:
        step = Step(("traits", "public", "list"), op, Operand(operand))
        draft.settle()
        step.take(draft, {}, EventTime(NOW, NOW), Limits())
        if rolled_back:
            draft.roll_back()
        else:
            expected = plain(op, expected, operand)
        assert same(draft.get(("traits", "public", "list")), expected)
        assert draft.size == json_size(draft.doc)


@given(items, items)
def test_items_have_the_same_key_when_they_are_the_same_json(one: list[Any], other: list[Any]) -> None:
    lists = Lists()
    for item, key in zip(one, lists.keys(one), strict=True):
        for another, its_key in zip(other, lists.keys(other), strict=True):
            assert (key == its_key) == same(item, another)


class CountedItem(dict[str, Any]):
    """An item that counts how often its content is read."""

    reads = 0

    def items(self) -> Any:
        CountedItem.reads += 1
        return super().items()


@pytest.mark.parametrize("op", LIST_OPERATIONS)
def test_the_items_of_a_long_list_are_read_once_in_a_call(op: str) -> None:
    draft = Draft(new_profile("A", NOW))
    draft.put(("traits", "public", "list"), [CountedItem(n=n) for n in range(500)])
    step = Step(("traits", "public", "list"), op, Operand(MISSING, ("properties", "item")))
    rule = Rule("r", None, (step,))
    CountedItem.reads = 0

    for n in range(300):
        roots = {"properties": {"item": {"n": 1_000 + n if "append" in op else n}}}
        rule.run(draft, roots, EventTime(NOW, NOW), Limits(), Work(10**9))

    assert CountedItem.reads <= 500
    assert len(draft.get(("traits", "public", "list"))) == (800 if "append" in op else 200)


def test_a_few_lists_are_kept_and_others_are_measured_again() -> None:
    lists = Lists()
    made: list[Any] = []
    for n in range(2 * MAX_KEPT):
        made.append(lists.extended(made[-1] if made else [], [n]))
    assert [lists.size(one) for one in made] == list(map(json_size, made))
    assert [len(lists.keys(one)) for one in made] == list(range(1, 2 * MAX_KEPT + 1))
