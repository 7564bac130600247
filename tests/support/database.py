"""Reads and changes a database, as its owner could."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw  # a second SQLite in one process would drop the locks of the first
import psycopg
from apsw import Connection
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader
from sqlite_utils import Database

from trackd.storage.sqlite.connection import BUSY_TIMEOUT_MS
from trackd.storage.sqlite.dbapi import sqlite_utils_database


def rows(db: Path | str, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query on a file, or on the PostgreSQL database with this URL."""
    if isinstance(db, str):
        return _rows_of_database(db, sql, parameters)
    with contextlib.closing(Connection(str(db))) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        cursor = connection.cursor()
        cursor.row_trace = lambda cursor, row: dict(
            zip([name for name, _ in cursor.get_description()], row, strict=True)
        )
        return list(cursor.execute(sql, parameters))


def execute(db: Path | str, sql: str, *parameters: Any) -> None:
    """Run a statement as `rows` does."""
    if isinstance(db, str):
        with psycopg.connect(db) as database:
            database.execute(sql.replace("?", "%s").encode(), parameters)
        return
    with contextlib.closing(Connection(str(db))) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(sql, parameters)


def _rows_of_database(url: str, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    """JSON is text, as in a file."""
    with psycopg.connect(url, row_factory=dict_row) as database:
        database.adapters.register_loader("json", TextLoader)
        return database.execute(sql.replace("?", "%s").encode(), parameters).fetchall()


def open_database(path: Path | str = ":memory:") -> Database:
    """Open a file with sqlite-utils, by default a database in memory."""
    connection = Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return sqlite_utils_database(connection)


def log_pages(connection: Connection) -> tuple[int, int]:
    """The pages of the write-ahead log, and how many of them are copied into the file."""
    return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
