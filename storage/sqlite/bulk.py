"""Inserts of many rows with few statements.

A statement is `VALUES` with 256, 128, ... or 1 rows, so a number of rows takes about as many statements as it has bits,
and each text is prepared once. `executemany` takes and releases the interpreter at every row, and `json_each` takes
five times the processor time.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

SIZES = tuple(2**power for power in range(8, -1, -1))  # longer statements are not cached


class BulkInsert:
    """`INSERT INTO table (columns) VALUES ...`, with an optional ON CONFLICT clause, for any number of rows."""

    def __init__(self, table: str, columns: Sequence[str], on_conflict: str = "") -> None:
        row = f"({', '.join('?' * len(columns))})"
        self._statements = [
            (size, f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * size)} {on_conflict}")
            for size in SIZES
        ]

    def run(self, connection: Any, rows: Sequence[Sequence[Any]]) -> None:
        done = 0
        for size, statement in self._statements:
            while len(rows) - done >= size:
                connection.execute(statement, tuple(chain.from_iterable(rows[done : done + size])))
                done += size
