"""Checks for the fields of a source. Each returns the value as it is stored, or raises ValueError."""

import re
from collections.abc import Iterable

MIN_RATE, MAX_RATE = 0.001, 1_000_000
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+|null")


def checked_id(value: str) -> str:
    if not 1 <= len(value.strip()) <= 255:
        raise ValueError("an id has 1 to 255 characters.")
    if not value.strip().isprintable():
        raise ValueError("an id has no control characters.")
    return value.strip()


def checked_origins(values: Iterable[str]) -> list[str]:
    origins = [value.strip().rstrip("/").lower() for value in values]
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin: write it as https://shop.example, without a path.")
    return origins


def checked_rate(value: float | None) -> float | None:
    """`value`: calls per second, None for no limit."""
    if value is not None and not MIN_RATE <= value <= MAX_RATE:
        raise ValueError("must be from 0.001 to 1000000 calls per second.")
    return value
