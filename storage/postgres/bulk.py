"""Writes of many rows with one statement: an array for each column. `executemany` takes thirty times as long.

The arrays are sent in binary form, `%b`: psycopg searches each text for quotes before it sends it as text.
"""

from collections.abc import Sequence
from typing import Any

from trackd.storage.postgres.connection import Connection


class Rows:
    """A statement on rows that are parameters: `AS given (columns)`. `columns` are pairs of name and type."""

    def __init__(self, columns: Sequence[tuple[str, str]], statement: str) -> None:
        """`statement` has `{given}` where a table of the rows belongs, and `{names}` for the names of the columns."""
        arrays = ", ".join(f"%({name})b::{_sent(kind)}[]" for name, kind in columns)
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(name if _sent(kind) == kind else f"{name}::{kind}" for name, kind in columns)
        sent = f"unnest({arrays}) WITH ORDINALITY AS sent ({names}, place)"
        given = f"(SELECT {values}, place FROM {sent}) AS given ({names}, place)"
        self._names = [name for name, _ in columns]
        self._statement = statement.format(given=given, names=names)

    def run(self, db: Connection, rows: Sequence[Sequence[Any]], **parameters: Any) -> int:
        """Returns the number of rows that changed. `parameters` are those of the statement besides the rows."""
        if not rows:
            return 0
        columns = dict(zip(self._names, map(list, zip(*rows, strict=True)), strict=True))
        return db.run(self._statement, {**columns, **parameters})


def insert(table: str, columns: Sequence[tuple[str, str]], on_conflict: str = "") -> Rows:
    return Rows(
        columns, f"INSERT INTO {table} ({{names}}) SELECT {{names}} FROM {{given}} ORDER BY place {on_conflict}"
    )


def _sent(kind: str) -> str:
    """The type as which a value is sent: times and JSON are text."""
    return "text" if kind in ("timestamptz", "json") else kind
