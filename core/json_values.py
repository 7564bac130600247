"""JSON values: which are equal, which are numbers, sums of them. Pure."""

import math
from collections.abc import Hashable
from decimal import MAX_EMAX, MIN_EMIN, Context
from functools import lru_cache
from typing import Any

# Wide enough that the sum of any two floats is exact before it is rounded once.
_EXACT = Context(prec=800, Emax=MAX_EMAX, Emin=MIN_EMIN)
SHORT = 10**18
BEYOND_DECIMALS = 10**310  # with any decimal added it is one that a float cannot hold
TOO_LARGE = 10**4_300  # Python neither reads nor writes integers of more digits


def same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON value. In Python 1, 1.0 and True are equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def equal(one: Any, other: Any) -> bool:
    """As `same`, but a number is equal to another of the same value: 5 and 5.0, to the last digit."""
    if is_number(one) and is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def identity(value: Any) -> Hashable:
    """A key that is equal for values that are the `same` JSON, and for no others."""
    if isinstance(value, dict):
        return dict, frozenset((key, identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(identity, value))
    return type(value), value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def exact_sum(one: float, other: float) -> int | float:
    """The exact decimal sum, rounded once: 0.1 and 0.2 are 0.3, in whatever order many numbers are added.

    Integers stay integers, however large. Raises OverflowError for a result that cannot be written as JSON.
    """
    if isinstance(one, int) and isinstance(other, int):
        total: int | float = one + other
        fits = abs(total) < TOO_LARGE
    elif max(abs(one), abs(other)) > BEYOND_DECIMALS:  # before it is written digit by digit
        raise OverflowError("the result is too large")
    else:
        total = float(_EXACT.add(_EXACT.create_decimal(repr(one)), _EXACT.create_decimal(repr(other))))
        fits = math.isfinite(total)
    if not fits:
        raise OverflowError("the result is too large")
    return total


def integer_size(value: int) -> int:
    """The length of an integer as text. That of a long one is found without writing it, which takes its square."""
    if -SHORT < value < SHORT:
        return len(str(value))
    digits = value.bit_length() * 1233 >> 12  # times the logarithm of 2: at most one or two too few
    while abs(value) >= _power_of_ten(digits):
        digits += 1
    return digits + (value < 0)


@lru_cache(maxsize=64)
def _power_of_ten(exponent: int) -> int:
    power: int = 10**exponent
    return power
