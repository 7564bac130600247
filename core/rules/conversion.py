"""The conversions of steps: `as = "number"` makes the operand a number, and so on. Pure.

They are strict. A text that can be read in two ways, such as "1,234.50", is left out, and not guessed.
"""

import math
import re
from collections.abc import Callable
from typing import Any

from trackd.core.encoding import json_text
from trackd.core.json_values import is_number
from trackd.core.rules.operations import StepError, kind
from trackd.core.times import read_time

JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
MAX_CHARACTERS = 5_000  # of a text that is converted: no number or time is longer
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _number(value: Any) -> Any:
    """A number, or a text that is a number of JSON."""
    if is_number(value):
        return value
    match = JSON_NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    number = float(value) if match[1] or match[2] else int(value)  # int raises ValueError when it is too long
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError
    return number


def _text(value: Any) -> str:
    """A text, or a number, true or false as JSON writes them."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bool | int | float):
        raise ValueError
    return json_text(value)


def _boolean(value: Any) -> bool:
    """True, false, 1 or 0, or one of these as a text, in capitals too."""
    if isinstance(value, str):
        made = BOOLEANS.get(value.lower())
    else:
        made = bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None
    if made is None:
        raise ValueError
    return made


CONVERSIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "number": (_number, "a number"),
    "text": (_text, "a text"),
    "time": (read_time, "a time"),
    "boolean": (_boolean, "true or false"),
}


def converted(value: Any, to: str) -> Any:
    """The value as a `number`, a `text`, a `time` or a `boolean`. Raises StepError when it cannot be made one."""
    convert, name = CONVERSIONS[to]
    try:
        if isinstance(value, str) and len(value) > MAX_CHARACTERS and to != "text":
            raise ValueError
        return convert(value)
    except ValueError:
        given = "this text" if isinstance(value, str) else kind(value)
        raise StepError(f"{given} cannot be made {name}") from None
