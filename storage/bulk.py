"""Many rows in one statement.

Python's SQLite module lets go of the GIL at every step of a statement. Beside a busy event loop each time is dear: the
writer thread waits to get it back, and both threads pay for the change. So a batch is written in as few steps as can
be: `VALUES` with a fixed number of rows (a power of two, so that few statements are prepared, once each), the unused
ones NULL and left out by the WHERE. Against that `executemany` makes a step of each row; `json_each` makes one step of
all, but took five times the processor time.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

MAX_ROWS = 512


class BulkInsert:
    """`INSERT INTO table (columns) ...`, with an optional ON CONFLICT clause. The first column is never NULL."""

    def __init__(self, table: str, columns: Sequence[str], on_conflict: str = "") -> None:
        row = f"({', '.join('?' * len(columns))})"
        self._columns = len(columns)
        self._statements = [
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM (VALUES {', '.join([row] * 2**power)})"
            f" WHERE column1 IS NOT NULL {on_conflict}"
            for power in range(MAX_ROWS.bit_length())
        ]

    def run(self, connection: Any, rows: Sequence[Sequence[Any]]) -> None:
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            power = (len(part) - 1).bit_length()
            unused = (None,) * (self._columns * (2**power - len(part)))
            connection.execute(self._statements[power], (*chain.from_iterable(part), *unused))
