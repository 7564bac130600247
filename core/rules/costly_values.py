"""The work of a schema that some values take: long numbers, decimals to divide, items that may be equal. Pure."""

import re
from typing import Any

ALIKE_MEMBER, ALIKE_CHARACTERS = 20, 8  # so many characters take a unit
ALIKE_INTEGER = 1_100
EXACT_INTEGERS = 2**53
LONG_INTEGER = re.compile(r"\d{19,}")  # not a machine's number
SHORT_DECIMAL, DECIMAL, EXTREME_DECIMAL = 3_000, 8_000, 100_000
NUMBER = re.compile(r"[:,\[]-?\d")  # the begin of one, also in texts
LONG_NUMBER = re.compile(r"[:,\[]-?[\d.]{10}")
INEXACT_INTEGER = re.compile(r"\d{16}")  # may be alike others as a decimal
EXTREME = re.compile(r"[eE][+-]?\d\d")


def integer_units(digits: int) -> int:
    """The units of a comparison of a long integer."""
    return 60 * digits + digits * digits // 4


def decimal_units(text: str) -> int:
    """The units of a division of each number."""
    numbers = len(NUMBER.findall(text))
    if EXTREME.search(text):
        return numbers * EXTREME_DECIMAL
    return numbers * SHORT_DECIMAL + len(LONG_NUMBER.findall(text)) * (DECIMAL - SHORT_DECIMAL)


def comparison_units(properties: Any, text: str, members: int) -> int:
    """The units of comparisons of items with one another, as the hashes of some can be made equal.

    jsonschema-rs hashes what is in nested lists one after the other, so [[1], 2] and [1, [2]] have the same hash, and
    integers beyond 2^53 as decimals.
    """
    units, left = 0, [properties]
    long_integer = max(map(len, LONG_INTEGER.findall(text)), default=0)
    all_alike = INEXACT_INTEGER.search(text) is not None
    pair = ALIKE_MEMBER * members + len(text) // ALIKE_CHARACTERS + integer_units(long_integer)
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            structures = [item for item in value if isinstance(item, list | dict)]
            left += structures
            alike = len(structures) if all_alike else sum(map(_has_list, structures))
            integers = sum(type(item) is int and abs(item) > EXACT_INTEGERS for item in value)
            units += alike * (pair if alike > 1 else 0)
            units += integers * integers // 2 * (ALIKE_INTEGER + integer_units(long_integer))
    return units


def _has_list(value: Any) -> bool:
    """Whether there is a list within a list or an object."""
    inner = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, list) or (isinstance(item, dict) and _has_list(item)) for item in inner)
