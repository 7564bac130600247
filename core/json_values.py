"""Values as JSON takes them: what is equal, what is a number. Pure."""

import math
from collections.abc import Hashable
from decimal import MAX_EMAX, MIN_EMIN, Context
from typing import Any, NoReturn

# Wide enough that the sum of any two floats is exact before it is rounded once.
_EXACT = Context(prec=800, Emax=MAX_EMAX, Emin=MIN_EMIN)
MAX_INTEGER = 2**63 - 1  # what SQLite and the expressions can hold


def same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON. Python takes 1, 1.0 and true for equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def identity(value: Any) -> Hashable:
    """Equal for values that are the same JSON, and for no others: to find one among many."""
    if isinstance(value, dict):
        return dict, frozenset((key, identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(identity, value))
    return type(value), value


def has_large_integer(value: Any) -> bool:
    """Whether a whole number in it is larger than SQLite and the expressions can hold."""
    if isinstance(value, dict):
        return any(map(has_large_integer, value.values()))
    if isinstance(value, list):
        return any(map(has_large_integer, value))
    return isinstance(value, int) and abs(value) > MAX_INTEGER


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def refuse_constant(constant: str) -> NoReturn:
    """For `json.loads(parse_constant=...)`: Python reads NaN and Infinity, JSON has no such numbers."""
    raise ValueError(f"{constant} is no number of JSON")


def exact_sum(one: float, other: float) -> int | float:
    """The sum as a person would write it: 0.1 and 0.2 are 0.3, in whatever order many are added.

    Raises OverflowError when the result is no number that JSON or SQLite can hold.
    """
    if isinstance(one, int) and isinstance(other, int):
        total: int | float = one + other
    else:
        total = float(_EXACT.add(_EXACT.create_decimal(repr(one)), _EXACT.create_decimal(repr(other))))
    if math.isinf(total) or math.isnan(total) or (isinstance(total, int) and abs(total) > MAX_INTEGER):
        raise OverflowError("the result is too large")
    return total
