"""Values that CEL's Python bindings cannot take as they are: texts with U+0000 and very large whole numbers. Pure.

The bindings hand over a text as a C string, which ends at U+0000, and refuse a whole number that 64 bits cannot hold.
They take messages of Protocol Buffers too, whose bytes have a length: a `StringValue` arrives in CEL as a whole text.
"""

import math
from typing import Any

NUL = "\0"
ESCAPED_NUL = rb"\u0000"  # in JSON
SMALLEST, LARGEST = -(2**63), 2**64 - 1  # of CEL's types int and uint
ZEROS = b"0" * 19  # the fewest digits of a number beyond these
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")


class _StringValueType:
    full_name = "google.protobuf.StringValue"


class _StringValue:
    """What the bindings use of a message."""

    DESCRIPTOR = _StringValueType()

    def __init__(self, text: str) -> None:
        self._text = text

    def SerializePartialToString(self) -> bytes:  # noqa: N802  the name that the bindings call
        content = self._text.encode()
        return b"\x0a" + _varint(len(content)) + content  # field 1, bytes with a length


def _varint(number: int) -> bytes:
    """A number as Protocol Buffers write it: 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def may_have_large_integer(text: bytes) -> bool:
    """Whether the JSON has a number of so many digits. Much faster than a look at each value."""
    return ZEROS in text.translate(_DIGITS_TO_ZERO)


def exact(value: Any) -> Any:
    """The value in a form that the bindings take: texts and keys whole, too large whole numbers as decimals."""
    if isinstance(value, dict):
        return {exact(key): exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, str):
        return _StringValue(value) if NUL in value else value
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        return _decimal(value)
    return value


def _decimal(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
