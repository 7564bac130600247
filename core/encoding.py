"""JSON as it is stored and kept in memory."""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

_ENCODER = msgspec.json.Encoder()


def finite(text: str) -> float:
    """A decimal, for the `float_hook` of decoders of values that clients chose. Raises ValueError when it is too large.

    msgspec alone takes a hundred times as long for the numbers near the largest and the smallest.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number should be finite")
    return value


_OBJECT = msgspec.json.Decoder(dict[str, Any], float_hook=finite)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def json_text(value: Any) -> str:
    """Compact JSON. Raises ValueError for NaN, an infinite number and a lone surrogate, which JSON cannot hold."""
    from pydantic_core import to_json  # large, and the writer process needs only `reencode`

    text = to_json(value, inf_nan_mode="constants")
    refuse_constants(text, refuse_constant)
    return text.decode()


def reencode(value: Any) -> str:
    """Compact JSON of a value that was decoded from JSON, where `Raw` holds JSON text; faster than `json_text`."""
    return _ENCODER.encode(value).decode()


def json_raw(value: dict[str, Any]) -> Raw:
    """As `reencode`, but as `Raw`. Raises ValueError for a lone surrogate."""
    return Raw(_ENCODER.encode(value))


def json_object(text: str | Raw) -> dict[str, Any]:
    """Decode a JSON object, a new one for each call. Raises ValueError for any other text."""
    return _OBJECT.decode(text)


def json_members(text: str | Raw) -> dict[str, Raw]:
    """As `json_object`, but the values remain text. Numbers of any size are taken."""
    return _MEMBERS.decode(text)


def size_of(raw: Raw) -> int:
    """The length of the JSON text in bytes."""
    return len(raw)


def refuse_constants(text: bytes, refuse: Callable[[str], NoReturn]) -> None:
    """Call `refuse` if JSON has NaN or an infinite number. Raises ValueError for text that is not JSON."""
    if b"NaN" not in text and b"Infinity" not in text:
        return
    from pydantic_core import from_json

    try:  # the words may be in strings only: this parser is fast
        from_json(text, allow_inf_nan=False)
    except ValueError:
        json.loads(text, parse_constant=refuse)


def refuse_constant(constant: str) -> NoReturn:
    """For `json.loads(parse_constant=...)`: Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(f"{constant} is not a JSON number")
