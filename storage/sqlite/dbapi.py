"""Cursors as sqlite-utils expects them: the part of Python's database interface (PEP 249) that it uses.

sqlite-utils is written for Python's own `sqlite3`. That module is a second SQLite library, and two of them in one
process drop each other's locks on a file.
"""

from typing import Any

from apsw import Connection, Cursor
from sqlite_utils import Database


class DbApiCursor(Cursor):
    """Cursor of one statement, which keeps the names of its columns when there is no row to read."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._description: Any = None
        self.exec_trace = self._begin

    @property
    def description(self) -> Any:  # type: ignore[override]
        """A tuple for each column, which begins with its name; None for a statement that has no columns."""
        return self._description

    @property
    def rowcount(self) -> int:
        """The number of rows that the last statement of the connection changed."""
        return self.connection.changes()

    @property
    def lastrowid(self) -> int:
        return self.connection.last_insert_rowid()

    @staticmethod
    def _begin(cursor: Any, _sql: str, _parameters: Any) -> bool:
        cursor._description = cursor.get_description() or None
        return True


def sqlite_utils_database(connection: Connection) -> Database:
    """The connection as a database of sqlite-utils. All cursors that it makes from now on are a DbApiCursor."""
    connection.cursor_factory = DbApiCursor
    return Database(connection)
