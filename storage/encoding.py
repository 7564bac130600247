"""JSON text as it is stored."""

import json
from typing import Any, NoReturn

from msgspec import Raw
from pydantic_core import from_json, to_json


def json_text(value: Any) -> str:
    """Compact JSON. Raises ValueError for what JSON cannot say: NaN, an infinite number, half a character.

    What is `Raw` is JSON text already.
    """
    if isinstance(value, Raw):
        return bytes(value).decode()
    text = to_json(value, inf_nan_mode="constants").decode()
    if "NaN" in text or "Infinity" in text:  # as a number, or only in a string?
        json.loads(text, parse_constant=_refuse)
    return text


def json_object(text: str) -> dict[str, Any]:
    """What `json_text` made. Raises ValueError when it is not a JSON object."""
    value = from_json(text)
    if not isinstance(value, dict):
        raise ValueError("stored JSON is not an object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
