"""JSON values: which are equal, which are numbers, sums of them. Pure."""

import math
from collections.abc import Hashable
from decimal import MAX_EMAX, MIN_EMIN, Context
from typing import Any

# Wide enough that the sum of any two floats is exact before it is rounded once.
_EXACT = Context(prec=800, Emax=MAX_EMAX, Emin=MIN_EMIN)
MAX_INTEGER = 2**63 - 1  # the largest integer of SQLite and of the expressions


def same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON value. In Python 1, 1.0 and True are equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def identity(value: Any) -> Hashable:
    """A key that is equal for values that are the `same` JSON, and for no others."""
    if isinstance(value, dict):
        return dict, frozenset((key, identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(identity, value))
    return type(value), value


def has_large_integer(value: Any) -> bool:
    """Whether the value contains an integer that is too large for SQLite and for the expressions."""
    if isinstance(value, dict):
        return any(map(has_large_integer, value.values()))
    if isinstance(value, list):
        return any(map(has_large_integer, value))
    return isinstance(value, int) and abs(value) > MAX_INTEGER


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def exact_sum(one: float, other: float) -> int | float:
    """The exact decimal sum, rounded once: 0.1 and 0.2 are 0.3, in whatever order many numbers are added.

    Raises OverflowError for a result that JSON or SQLite cannot hold.
    """
    if isinstance(one, int) and isinstance(other, int):
        total: int | float = one + other
    else:
        total = float(_EXACT.add(_EXACT.create_decimal(repr(one)), _EXACT.create_decimal(repr(other))))
    if math.isinf(total) or math.isnan(total) or (isinstance(total, int) and abs(total) > MAX_INTEGER):
        raise OverflowError("the result is too large")
    return total
