"""Checks for the fields of a source. Each returns the value as it is stored, or raises ValueError."""

from collections.abc import Iterable

from trackd.core.origins import canonical_origin

MIN_RATE, MAX_RATE = 0.001, 1_000_000


def checked_id(value: str) -> str:
    if not 1 <= len(value.strip()) <= 255:
        raise ValueError("an id has 1 to 255 characters.")
    if not value.strip().isprintable():
        raise ValueError("an id has no control characters.")
    return value.strip()


def checked_origins(values: Iterable[str]) -> list[str]:
    """In canonical form, each once."""
    return list(dict.fromkeys(canonical_origin(value) for value in values))


def checked_rate(value: float | None) -> float | None:
    """`value`: calls per second, None for no limit."""
    if value is not None and not MIN_RATE <= value <= MAX_RATE:
        raise ValueError("must be from 0.001 to 1000000 calls per second.")
    return value
