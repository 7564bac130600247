"""Reads and changes a database file, as its owner could."""

import contextlib
from pathlib import Path
from typing import Any

import apsw  # a second SQLite in one process would drop the locks of the first
from apsw import Connection
from sqlite_utils import Database

from trackd.storage.sqlite.connection import BUSY_TIMEOUT_MS
from trackd.storage.sqlite.dbapi import sqlite_utils_database


def rows(db: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    with contextlib.closing(Connection(str(db))) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        cursor = connection.cursor()
        cursor.row_trace = lambda cursor, row: dict(
            zip([name for name, _ in cursor.get_description()], row, strict=True)
        )
        return list(cursor.execute(sql, parameters))


def execute(db: Path, sql: str, *parameters: Any) -> None:
    with contextlib.closing(Connection(str(db))) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(sql, parameters)


def open_database(path: Path | str = ":memory:") -> Database:
    """Open a file with sqlite-utils, by default a database in memory."""
    connection = Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return sqlite_utils_database(connection)


def log_pages(connection: Connection) -> tuple[int, int]:
    """The pages of the write-ahead log, and how many of them are copied into the file."""
    return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
