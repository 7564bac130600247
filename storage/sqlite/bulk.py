"""Many rows in few statements.

Rows are written many at a time, in as few statements as their number has bits: `VALUES` with 512, 256, ... 1 rows, each
prepared once. Against that `executemany` makes a step of each row, and `json_each` takes five times the processor time.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

SIZES = tuple(2**power for power in range(9, -1, -1))


class BulkInsert:
    """`INSERT INTO table (columns) VALUES ...`, with an optional ON CONFLICT clause."""

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
