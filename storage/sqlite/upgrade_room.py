"""The free disk that bringing the tables of an older file up to date needs."""

from pathlib import Path

FACTOR = 2  # the log gets each page that changes once, and new indexes go into the file too


def room_for_upgrade(database: Path) -> int:
    """An upper bound in bytes, beside the file as it is."""
    return FACTOR * database.stat().st_size
