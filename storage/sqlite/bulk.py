"""Inserts of many rows with few statements.

A statement is `VALUES` with 32, 16, ... or 1 rows, so few statements insert many rows, and each text is prepared once.
`executemany` takes and releases the interpreter at every row, and `json_each` takes five times the processor time.
SQLite copies all values of a statement: `reserve_memory` makes that cheap.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import apsw

SIZES = tuple(2**power for power in range(5, -1, -1))
LOOKASIDE = 384, 300  # half of the bytes for 450 texts of up to 128 bytes, half for 150 longer ones


def reserve_memory() -> None:
    """Give each connection of this process 115 KB for the values of a statement, which need not be allocated then.

    What is allocated is not counted any more, which takes two locks each time. To be called before any connection is
    open.
    """
    apsw.shutdown()
    apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, 0)
    apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, *LOOKASIDE)
    apsw.initialize()


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
