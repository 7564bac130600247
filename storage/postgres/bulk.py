"""Writes of many rows with one statement: an array for each column. `executemany` takes thirty times as long."""

from collections.abc import Callable, Sequence
from typing import Any

from trackd.storage.postgres.arrays import bigint_array, text_array
from trackd.storage.postgres.connection import Connection

Values = Sequence[Any]


class Rows:
    """A statement on rows that are parameters: `AS given (columns, place)`. `columns` are pairs of name and type."""

    def __init__(self, columns: Sequence[tuple[str, str]], statement: str) -> None:
        """`statement` has `{given}` where a table of the rows belongs, and `{names}` for the names of the columns."""
        names = ", ".join(name for name, _ in columns)
        # Functions that return sets run side by side in a SELECT; in FROM each would be kept as a table first.
        sent = ", ".join(f"unnest(%({name})b::{_sent(kind)}[]) AS {name}" for name, kind in columns)
        values = ", ".join(name if kind == _sent(kind) else f"{name}::{kind}" for name, kind in columns)
        given = f"(SELECT {values}, place FROM (SELECT {sent}, generate_series(1, %(count)s) AS place) AS sent)"
        self.columns = [(name, _array_of(kind)) for name, kind in columns]
        self.statement = statement.format(given=f"{given} AS given ({names}, place)", names=names)

    def run(self, db: Connection, rows: Sequence[Values], **parameters: Any) -> int:
        """Returns the number of rows that changed. `parameters` are those of the statement besides the rows."""
        if not rows:
            return 0
        columns = zip(self.columns, zip(*rows, strict=True), strict=True)
        arrays = {name: array(values) for (name, array), values in columns}
        return db.run(self.statement, {**arrays, **parameters, "count": len(rows)})


def insert(table: str, columns: Sequence[tuple[str, str]], on_conflict: str = "") -> Rows:
    return Rows(
        columns, f"INSERT INTO {table} ({{names}}) SELECT {{names}} FROM {{given}} ORDER BY place {on_conflict}"
    )


def found_by(table: str, *columns: str, given: str = "given") -> str:
    """SQL: a condition on rows of a table, which are looked up by an index for each row of `given`.

    With an equality the planner may begin with the table, if it was small when it was analyzed: the whole index is
    scanned, and `given` evaluated again for each row of the table.
    """
    return " AND ".join(f"{table}.{column} = ANY(ARRAY[{given}.{column}])" for column in columns)


def _sent(kind: str) -> str:
    """The type as which values are sent."""
    return kind if kind == "bigint" else "text"


def _array_of(kind: str) -> Callable[[Values], bytes]:
    if kind == "bigint":
        return bigint_array
    return text_array if kind in ("text", "json", "timestamptz") else _array_of_texts


def _array_of_texts(values: Values) -> bytes:
    return text_array([None if value is None else str(value) for value in values])
