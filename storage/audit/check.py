"""A check of a database file, what it finds, and how it reads a file that may be damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import Struct

from trackd.storage.sqlite.connection import Connection

Audited = TypeVar("Audited")
Finding = tuple[str, str]
"""Where a fault is, such as the id of a profile, and what it is."""


class AuditedFile(Struct, frozen=True):
    """A database file, with a connection that reads one snapshot of it."""

    path: Path
    db: Connection

    def texts(self, sql: str) -> Iterator[Finding]:
        """The rows of a query with two columns, as text. Bytes that are no UTF-8 are replaced."""
        rows = self.db.execute(
            f"WITH found (place, fault) AS ({sql}) SELECT CAST(place AS BLOB), CAST(fault AS BLOB) FROM found"
        )
        for place, fault in rows:
            yield shown(place), shown(fault)


class Check(Struct, Generic[Audited], frozen=True):
    """One promise, and what to do when it is broken. It is examined in a file, or in a database."""

    name: str
    promise: str
    find: Callable[[Audited], Iterator[Finding]]
    remedy: str


def shown(value: object) -> str:
    """A value of a row for a person."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)
