"""The operations of steps: from the value before and an operand to the value after. Pure.

The value is `MISSING` when the profile has none, before or after. An operation raises StepError when it cannot be done.
"""

from collections.abc import Callable
from typing import Any

from trackd.core.json_values import exact_sum, is_number
from trackd.core.rules.lists import Lists
from trackd.core.rules.paths import MISSING


class StepError(Exception):
    """A step that is not taken. `notable`: it gets an entry in `debugging.logs`; a missing source value gets none."""

    def __init__(self, why: str, *, notable: bool = True) -> None:
        super().__init__(why)
        self.notable = notable


Operate = Callable[[Any, Any, int, Lists], Any]
"""Takes the value before, the operand, the most items of a list, and `Lists`. Returns the value after."""


def _set(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    if isinstance(operand, list):
        _check_length(len(operand), max_items)
    return operand


def _set_if_absent(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    return _set(before, operand, max_items, lists) if before is MISSING or before is None else before


def _unset(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    return MISSING


def _increment(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    return _add(before, operand, "increment", sign=1)


def _decrement(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    return _add(before, operand, "decrement", sign=-1)


def _add(before: Any, operand: Any, verb: str, sign: int) -> Any:
    amount = 1 if operand is MISSING else operand
    known = 0 if before is MISSING or before is None else before
    if not is_number(known):
        raise StepError(f"{kind(known)} cannot be {verb}ed")
    if not is_number(amount):
        raise StepError(f"a number cannot be {verb}ed by {kind(amount)}")
    try:
        return exact_sum(known, sign * amount)
    except OverflowError as error:
        raise StepError(str(error)) from None


def _max(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    return operand if _compared(before, operand, absent=-1) < 0 else before


def _min(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    return operand if _compared(before, operand, absent=1) > 0 else before


def _compared(before: Any, operand: Any, absent: int) -> int:
    """-1, 0 or 1 as the value before is less, the same or more; `absent` when there is none."""
    if not is_number(operand) and not isinstance(operand, str):
        raise StepError(f"{kind(operand)} cannot be compared")
    if before is MISSING or before is None:
        return absent
    if is_number(before) != is_number(operand) or isinstance(before, str) != isinstance(operand, str):
        raise StepError(f"{kind(before)} cannot be compared with {kind(operand)}")
    return int(before > operand) - int(before < operand)


def _append(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    known, new = _as_list(before, "append to"), _items(operand)
    _check_length(len(known) + len(new), max_items)
    return lists.extended(known, new)


def _append_unique(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    known, items = _as_list(before, "append to"), _items(operand)
    seen = set(lists.keys(known))
    new = {key: item for key, item in zip(lists.keys(items), items, strict=True) if key not in seen}
    if not new:
        return before
    _check_length(len(known) + len(new), max_items)
    return lists.extended(known, list(new.values()), list(new))


def _remove(before: Any, operand: Any, max_items: int, lists: Lists) -> Any:
    known = _as_list(before, "remove from")
    removed = frozenset(lists.keys(_items(operand)))
    if removed.isdisjoint(lists.keys(known)):
        return before
    return lists.without(known, removed)


def _as_list(value: Any, verb: str) -> list[Any]:
    if value is MISSING or value is None:
        return []
    if not isinstance(value, list):
        raise StepError(f"one cannot {verb} {kind(value)}")
    return value


def _items(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) else [operand]


def _check_length(length: int, max_items: int) -> None:
    if length > max_items:
        raise StepError(f"the list would have more than {max_items} items (limits.max_list_items)")


def kind(value: Any) -> str:
    """The type of a value, in words for an error."""
    if isinstance(value, bool):
        return "true or false"
    if is_number(value):
        return "a number"
    kinds: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "nothing")


OPERATIONS: dict[str, Operate] = {
    "set": _set,
    "set_if_absent": _set_if_absent,
    "unset": _unset,
    "increment": _increment,
    "decrement": _decrement,
    "max": _max,
    "min": _min,
    "append": _append,
    "append_unique": _append_unique,
    "remove": _remove,
}
LIST_OPERATIONS = ("append", "append_unique", "remove")
