"""JSON as it is stored and kept in memory."""

import json
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

_ENCODER = msgspec.json.Encoder()
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def json_text(value: Any) -> str:
    """Compact JSON. Raises ValueError for what JSON cannot say: NaN, an infinite number, half a character."""
    from pydantic_core import to_json  # 3 MB, and the writer process writes only what came as JSON

    text = to_json(value, inf_nan_mode="constants").decode()
    if "NaN" in text or "Infinity" in text:  # as a number, or only in a string?
        json.loads(text, parse_constant=_refuse)
    return text


def json_again(value: Any) -> str:
    """Compact JSON of what came as JSON: as `json_text`, in half the time. What is `Raw` is JSON text already."""
    return _ENCODER.encode(value).decode()


def json_raw(value: dict[str, Any]) -> Raw:
    """As `json_again`. Raises ValueError for half a character."""
    return Raw(_ENCODER.encode(value))


def json_object(text: str | Raw) -> dict[str, Any]:
    """A new object for each call. Raises ValueError when it is not a JSON object."""
    return _OBJECT.decode(text)


def size_of(raw: Raw) -> int:
    """In bytes."""
    return memoryview(raw).nbytes


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
