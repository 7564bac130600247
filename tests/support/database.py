"""Reads and changes a database file, as its owner could."""

import contextlib
from pathlib import Path
from typing import Any

from apsw import Connection  # a second SQLite in one process would drop the locks of the first
from sqlite_utils import Database

from trackd.storage.sqlite.dbapi import sqlite_utils_database


def rows(db: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    with open_database(db) as database:
        return list(database.query(sql, parameters))


def execute(db: Path, sql: str, *parameters: Any) -> None:
    with contextlib.closing(Connection(str(db))) as connection:
        connection.execute(sql, parameters)


def open_database(path: Path | str = ":memory:") -> Database:
    """Open a file with sqlite-utils, by default a database in memory."""
    return sqlite_utils_database(Connection(str(path)))
