"""Reads and changes a database file, as its owner could."""

import contextlib
from pathlib import Path
from typing import Any

import pysqlite3 as sqlite3  # a second SQLite in one process would drop the locks of the first


def rows(db: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, parameters)]


def execute(db: Path, sql: str, *parameters: Any) -> None:
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(sql, parameters)
